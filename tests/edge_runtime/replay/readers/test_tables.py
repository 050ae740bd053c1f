"""Tables as programs and people write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.fusion.measurement import Imu, Magnetometer
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.readers.request import ColumnsConfig, ReadRequest, UnitsConfig
from tests.edge_runtime.fusion.recordings import recordings
from tests.edge_runtime.replay.readers.written import (
    all_rows,
    arrays,
    named,
    recording,
    write_euroc,
    write_hdf5,
)

ROWS = 50
R = recording()
GYRO, ACCEL, FIELD = R.gyro[:ROWS], R.accel[:ROWS], R.field[:ROWS]
SECONDS = np.arange(ROWS) * 0.005
NS = R.stamp[:ROWS]


def lines(heading: str, *columns: Any, separator: str = ",") -> str:
    rows = [separator.join(str(x) for x in row) for row in zip(*columns)]
    return "\n".join([*heading.splitlines(), *rows]) + "\n"


def axes(pattern: str) -> str:
    return ",".join(pattern.replace("?", axis) for axis in "xyz")


SIX = (*GYRO.T, *ACCEL.T)
DEG = (*np.degrees(GYRO).T, *(ACCEL / 9.80665).T)
STRINGS = ["imu"] * ROWS
TEXTS: dict[str, str] = {
    "x-io": lines(
        f"Time (s),{axes('Gyroscope ? (deg/s)').title()},{axes('Accelerometer ? (g)')}",
        SECONDS, *DEG,
    ),
    "ulog2csv": lines(
        "timestamp,gyro_rad[0],gyro_rad[1],gyro_rad[2],gyro_integral_dt,"
        "accelerometer_timestamp_relative,accelerometer_m_s2[0],accelerometer_m_s2[1],"
        "accelerometer_m_s2[2],accelerometer_integral_dt",
        NS // 1000, *GYRO.T, [5000] * ROWS, [0] * ROWS, *ACCEL.T, [5000] * ROWS,
    ),
    "rostopic echo -p": lines(
        f"%time,field.header.seq,field.header.stamp,field.header.frame_id,"
        f"{axes('field.angular_velocity.?')},field.angular_velocity_covariance0,"
        f"{axes('field.linear_acceleration.?')}",
        NS + 7, range(ROWS), NS, STRINGS, *GYRO.T, np.zeros(ROWS), *ACCEL.T,
    ),
    "sec and nanosec": lines(
        f"header.stamp.sec,header.stamp.nanosec,{axes('angular_velocity.?')},"
        f"{axes('linear_acceleration.?')}",
        NS // 10**9, NS % 10**9, *SIX,
    ),
    "short names": lines("t,ax,ay,az,gx,gy,gz", SECONDS, *ACCEL.T, *GYRO.T),
    "units in names": lines(
        f"time_us,{axes('gyro_?_dps')},{axes('acc_?_g')}", NS // 1000, *DEG
    ),
    "comments": lines(
        f"# made by a logger\n# at 200 Hz\n# timestamp_ms, {axes('w_?')}, {axes('a_?')}",
        NS / 1e6, *SIX,
    ),
    "Xsens": lines(
        "// Start Time: Unknown\n// Firmware: 4.6\nPacketCounter\tSampleTimeFine\t"
        + f"{axes('Acc_?')},{axes('Gyr_?')}".replace(",", "\t"),
        range(ROWS), SECONDS, *ACCEL.T, *GYRO.T, separator="\t",
    ),
    "semicolons and decimal commas": lines(
        f"Time (s);{axes('gyro ?')};{axes('accel ?')}".replace(",", ";"), SECONDS, *SIX,
        separator=";",
    ).replace(".", ","),
    "blanks": lines(f"time {axes('gyro_?')},{axes('accel_?')}".replace(",", " "), SECONDS, *SIX,
                    separator="   "),
    "dates": lines(
        f"datetime,{axes('gyro_?')},{axes('accel_?')}",
        [f"2026-01-31 12:00:00.{5 * k:03d}000Z" for k in range(ROWS)], *SIX,
    ),
    "a byte order mark and carriage returns": "\ufeff"
    + lines(f"time,{axes('gyro_?')},{axes('accel_?')}", SECONDS, *SIX).replace("\n", "\r\n"),
    "quotes and a column of text": lines(
        f'"time","frame",{axes("gyro_?")},{axes("accel_?")}', SECONDS, ['"a,b"'] * ROWS, *SIX
    ),
}  # fmt: skip


def imu(log: Log) -> list[Imu]:
    return [m for m in log.measurements if isinstance(m, Imu)]


def check(log: Log, rows: int = ROWS) -> None:
    read = imu(log)
    np.testing.assert_allclose([m.stamp for m in read], 0.005 * np.arange(rows), atol=1e-6)
    np.testing.assert_allclose([m.gyro for m in read], GYRO[:rows], atol=1e-9)
    np.testing.assert_allclose([m.accel for m in read], ACCEL[:rows], atol=1e-9)


@pytest.mark.parametrize("what", TEXTS)
def test_tables_of_programs_are_read_without_a_word(what: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(TEXTS[what], newline="", encoding="utf-8")
    check(read_log(path))


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_other_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    heading = f"time,{axes('gyro ? (°/s)')},{axes('accel ? (m/s²)')}"
    text = lines(heading, SECONDS, *np.degrees(GYRO).T, *ACCEL.T)
    (tmp_path / "log.csv").write_text(text, encoding=encoding)
    check(read_log(tmp_path / "log.csv"))


def test_columns_units_and_the_rate_as_the_user_says(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(lines("p,q,r,fx,fy,fz,bx,by,bz", *DEG, *FIELD.T))
    columns = ColumnsConfig("", ("p", "q", "r"), ("fx", "fy", "fz"), ("bx", "by", "bz"))
    log = read_log(path, 0, ReadRequest(
        rate=200.0, columns=columns, units=UnitsConfig(gyro="deg/s", accel="g"),
    ))  # fmt: skip
    check(log)
    field = [m.field for m in log.measurements if isinstance(m, Magnetometer)]
    np.testing.assert_allclose(field, FIELD)


def test_the_times_of_the_options_count_and_not_those_of_the_heading(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(lines(f"time,device,{axes('gyro_?')},{axes('accel_?')}", SECONDS + 3,
                          5 * np.arange(ROWS), *SIX))  # fmt: skip
    columns, units = ColumnsConfig(time="device"), UnitsConfig(time="ms")
    check(read_log(path, 0, ReadRequest(columns=columns, units=units)))


@pytest.mark.parametrize("offset", ["+02:00", "-0530", "+01", " +0200", ""])
def test_dates_on_another_clock_than_utc_s_are_of_the_same_moment(
    offset: str, tmp_path: Path
) -> None:
    """The clock is set forwards by an hour among the rows, as in summer."""
    stamps = [f"2026-03-29T01:59:59.{5 * k:03d}Z" for k in range(ROWS)]
    ahead = {"+02:00": 2.0, "-0530": -5.5, "+01": 1.0, " +0200": 2.0, "": 0.0}[offset]
    begin = np.datetime64("2026-03-29T01:59:59.000") + np.timedelta64(round(60 * ahead), "m")
    local = [f"{begin + np.timedelta64(5 * k, 'ms')}{offset}" for k in range(ROWS)]
    path = tmp_path / "a.csv"
    path.write_text(
        lines(f"time,{axes('gyro_?')},{axes('accel_?')}", [*stamps[:20], *local[20:]], *SIX)
    )
    check(read_log(path))


def test_a_line_that_is_cut_off_is_left_out(tmp_path: Path) -> None:
    text = lines(f"time,{axes('gyro_?')},{axes('accel_?')}", SECONDS, *SIX)
    (tmp_path / "log.csv").write_text(text + "0.25,0.1,0.2")
    log = read_log(tmp_path / "log.csv")
    check(log)
    assert any("cut off" in note for note in log.notes)


def test_a_word_among_the_numbers_is_named_by_its_column(tmp_path: Path) -> None:
    rows = lines(f"time,{axes('gyro_?')},{axes('accel_?')}", SECONDS, *SIX).splitlines()
    rows[5] = "0.04,0.1,ERR,0.3,0.1,0.2,9.8"
    (tmp_path / "log.csv").write_text("\n".join(rows))
    with pytest.raises(UserError, match="column 'gyro_y' of '.*' is no number in each row"):
        read_log(tmp_path / "log.csv")


def test_rows_out_of_order_are_put_in_order_and_empty_fields_are_no_readings(
    tmp_path: Path,
) -> None:
    text = lines(f"time,{axes('gyro_?')},{axes('accel_?')},{axes('mag_?')}", SECONDS, *SIX,
                 *FIELD.T)  # fmt: skip
    heading, *rows = text.splitlines()
    rows[3], rows[4] = rows[4], rows[3]
    without_field = ",".join([*rows[7].split(",")[:7], "", "", ""])
    rows[7] = without_field
    (tmp_path / "log.csv").write_text("\n".join([heading, *rows]))
    log = read_log(tmp_path / "log.csv")
    check(log)
    assert any("1 rows were stamped before" in note for note in log.notes)
    assert sum(isinstance(m, Magnetometer) for m in log.measurements) == ROWS - 1


def test_rows_of_other_sensors_joined_logs_and_closing_separators(tmp_path: Path) -> None:
    heading = f"time,{axes('gyro_?')},{axes('accel_?')},{axes('mag_?')},"
    at_once = lines(heading, SECONDS, *SIX, *[["null"] * ROWS] * 3).splitlines()
    rows = [f"{line}," for line in at_once[1:]]
    field = f"0.1001{',' * 7}1.0,2.0,3.0,"
    text = [heading, *rows[:21], field, heading, *rows[21:]]
    (tmp_path / "log.csv").write_text("\n".join(text))
    log = read_log(tmp_path / "log.csv")
    check(log)
    assert sum(isinstance(m, Magnetometer) for m in log.measurements) == 1


def structured(path: Path) -> None:
    made = np.zeros(ROWS, [("time", "f8"), ("gyro", "f8", 3), ("acc", "f4", 3)])
    made["time"], made["gyro"], made["acc"] = SECONDS, GYRO, ACCEL
    np.save(path, made)


ARRAYS: dict[str, Callable[[Path], Any]] = {
    "a.npy": structured,
    "a.npz": lambda p: np.savez(p, t=SECONDS, gyr=GYRO.T, acc=ACCEL.T),
    "b.npz": lambda p: np.savez(p, timestamps_ns=NS, omega=GYRO, specific_force=ACCEL),
    "a.h5": lambda p: write_hdf5(p, False, {"time": SECONDS, "gyr": GYRO.T, "acc": ACCEL}),
    "a.mat": lambda p: write_hdf5(p, True, {"time": SECONDS, "gyr": GYRO, "acc": ACCEL.T}),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_whichever_way_they_lie(name: str, tmp_path: Path) -> None:
    ARRAYS[name](tmp_path / name)
    read = imu(read_log(tmp_path / name))
    np.testing.assert_allclose([m.stamp for m in read], SECONDS, atol=1e-6)
    np.testing.assert_allclose([m.gyro for m in read], GYRO, atol=1e-9)
    np.testing.assert_allclose([m.accel for m in read], ACCEL, atol=1e-5)


def test_trials_of_broad_are_known_in_version_7_3_too(tmp_path: Path) -> None:
    made = arrays()
    trial = {
        "imu_gyr": made["gyro"], "imu_acc": made["accel"], "imu_mag": made["mag"],
        "opt_quat": made["truth"], "movement": np.ones(len(made["time"])), "sampling_rate": 200.0,
    }  # fmt: skip
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        for name, value in trial.items():
            data = np.atleast_2d(np.asarray(value).T)
            file.create_dataset(name, data=data).attrs["MATLAB_class"] = np.bytes_("double")
    log = read_log(tmp_path / "a.mat")
    assert log.reference is not None and log.north
    np.testing.assert_allclose([m.gyro for m in imu(log)], made["gyro"])


def test_a_folder_of_euroc_is_known_from_each_of_its_levels(tmp_path: Path) -> None:
    root = write_euroc(tmp_path / "MH_01")
    for path in (root, root / "mav0", root / "mav0" / "imu0"):
        log = read_log(path)
        assert log.name == "MH_01"
        assert log.reference is not None
        np.testing.assert_allclose(imu(log)[5].accel, R.accel[5], atol=1e-12)
    (root / "mav0" / "imu0" / "sensor.yaml").unlink()
    raw = imu(read_log(root))[5].accel
    assert abs(raw[0]) > 9.0  # the IMU's own axes
    turned = read_log(root, 0, ReadRequest(imu_to_body=(0, 0, -1, 0, -1, 0, -1, 0, 0)))
    np.testing.assert_allclose(imu(turned)[5].accel, R.accel[5], atol=1e-12)


def test_a_recording_of_an_imu_with_units_in_its_heading() -> None:
    log = read_log(recordings("csv", "xio*.csv")[0])
    still = [m for m in imu(log) if m.stamp < 1.0]
    assert np.linalg.norm(np.mean([m.accel for m in still], axis=0)) == pytest.approx(9.8, abs=0.1)
    assert np.abs([m.gyro for m in still]).max() < 0.05
    assert any(isinstance(m, Magnetometer) for m in log.measurements)


@given(st.binary(min_size=1, max_size=400), st.sampled_from(["", ".csv", ".mat", ".bag", ".npy"]))
def test_any_bytes_are_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"log{ending}"
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        read_log(path)
    assert "\n" not in str(error.value)


TABLE = lines(",".join(["time", *named()]), SECONDS, *all_rows()[:ROWS].T).encode()


@given(st.lists(st.tuples(st.integers(0, len(TABLE) - 1), st.integers(0, 255)), max_size=30))
def test_a_damaged_table_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(TABLE)
    for at, byte in changes:
        damaged[at] = byte
    path = tmp_path_factory.mktemp("table") / "log.csv"
    path.write_bytes(damaged)
    said = ""
    try:
        read_log(path)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
