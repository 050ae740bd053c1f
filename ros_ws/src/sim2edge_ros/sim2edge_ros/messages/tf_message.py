"""Gives rclpy the type of `/tf`, where its package tf2_msgs is not installed: PyPI has none.

rclpy knows a type by a handle of its middleware: names, a hash of its definition (REP-2016), the
definition, and functions that serialize it. Here these handles are made from those of
geometry_msgs/PoseArray, whose shape (a sequence of unbounded size) is alike, under the names, hash
and definition of tf2_msgs/TFMessage. Only messages that are already serialized may be published
or received with them, for PoseArray's functions are never to meet one: `transforms.py` writes them.
"""

import ctypes
import importlib
import importlib.util
from functools import cache
from typing import Any

from geometry_msgs.msg import PoseArray, TransformStamped

from sim2edge_ros.settings.distro import find_distro, uses_fast_dds

DEFINITION = "geometry_msgs/TransformStamped[] transforms\n"
NAME = "tf2_msgs/msg/TFMessage"
# As rosidl computes it; `ros2 topic info --verbose /tf` shows it wherever tf2_msgs is installed.
_HASH = bytes.fromhex("e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087")
_GENERIC, _FAST = b"rosidl_typesupport_c", b"rosidl_typesupport_fastrtps_c"
_SHAPE = b"rosidl_typesupport_introspection_c"
_HANDLES = 7  # major version of Jazzy's rclpy, from which on handles are as below
_UNBOUNDED_SEQUENCE = 145  # of a nested type, in type_description_interfaces/msg/FieldType


class _Handle(ctypes.Structure):
    """Mirrors rosidl_message_type_support_t, from Iron on."""

    _fields_ = (
        ("identifier", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("find", ctypes.c_void_p),
        ("hash", ctypes.c_void_p),
        ("description", ctypes.c_void_p),
        ("sources", ctypes.c_void_p),
    )


class _Callbacks(ctypes.Structure):
    """Mirrors message_type_support_callbacks_t of rosidl_typesupport_fastrtps."""

    _fields_ = (
        ("namespace", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("functions", ctypes.c_void_p * 5),
    )


class _Member(ctypes.Structure):
    """Mirrors MessageMember of rosidl_typesupport_introspection_c, from Jazzy on."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_uint8),
        ("string_bound", ctypes.c_size_t),
        ("nested", ctypes.c_void_p),
        ("is_key", ctypes.c_bool),
        ("is_array", ctypes.c_bool),
        ("array_size", ctypes.c_size_t),
        ("is_bound", ctypes.c_bool),
        ("offset", ctypes.c_uint32),
        ("default", ctypes.c_void_p),
        ("functions", ctypes.c_void_p * 6),
    )


class _Members(ctypes.Structure):
    """Mirrors MessageMembers of rosidl_typesupport_introspection_c, from Jazzy on."""

    _fields_ = (
        ("namespace", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("count", ctypes.c_uint32),
        ("size", ctypes.c_size_t),
        ("has_key", ctypes.c_bool),
        ("members", ctypes.c_void_p),
        ("functions", ctypes.c_void_p * 2),
    )


class _String(ctypes.Structure):
    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_size_t), ("room", ctypes.c_size_t))


class _FieldType(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint8),
        ("capacity", ctypes.c_uint64),
        ("string_capacity", ctypes.c_uint64),
        ("nested", _String),
    )


class _Field(ctypes.Structure):
    _fields_ = (("name", _String), ("type", _FieldType), ("default", _String))


class _Sequence(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("room", ctypes.c_size_t))


class _Type(ctypes.Structure):
    """Mirrors IndividualTypeDescription."""

    _fields_ = (("name", _String), ("fields", _Sequence))


class _Description(ctypes.Structure):
    """Mirrors TypeDescription: a type, and all that it contains, by name."""

    _fields_ = (("type", _Type), ("others", _Sequence))


class _Hash(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint8), ("value", ctypes.c_uint8 * 32))


_FIND = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_TELL = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
_KEPT: list[Any] = []  # what the handles point to must live as long as the process


@cache
def tf_message() -> Any:
    """Returns the class of `/tf`: that of tf2_msgs if it is installed, or one for bytes alone.

    It is None for releases and middlewares that have other handles, whose ROS has tf2_msgs.
    """
    if importlib.util.find_spec("tf2_msgs") is not None:
        return importlib.import_module("tf2_msgs.msg").TFMessage
    return _made() if uses_fast_dds() and find_distro().rclpy >= _HANDLES else None


def _made() -> Any:
    callbacks = _Callbacks.from_buffer_copy(
        _Callbacks.from_address(_Handle.from_address(_found(PoseArray, _FAST)).data)
    )
    callbacks.namespace, callbacks.name = b"tf2_msgs::msg", b"TFMessage"
    members = _members()
    digest = _Hash(1, (ctypes.c_uint8 * 32)(*_HASH))
    description, sources = _description(), _Sequence()
    parts = {_GENERIC: callbacks, _FAST: callbacks, _SHAPE: members}
    handles = {identifier: _Handle() for identifier in parts}

    def find(_handle: int, identifier: bytes) -> int | None:
        handle = handles.get(identifier)
        return None if handle is None else ctypes.addressof(handle)

    found = _FIND(find)
    returned = [
        _TELL(lambda _handle, of=part: ctypes.addressof(of))
        for part in (digest, description, sources)
    ]
    functions = [ctypes.cast(each, ctypes.c_void_p).value for each in (found, *returned)]
    for identifier, handle in handles.items():
        handle.identifier, handle.data = identifier, ctypes.addressof(parts[identifier])
        handle.find, handle.hash, handle.description, handle.sources = functions
    _KEPT.extend((parts, handles, digest, description, sources, found, returned))

    class OfTFMessage(type):
        _TYPE_SUPPORT = _capsule(ctypes.addressof(handles[_GENERIC]))
        _CREATE_ROS_MESSAGE = _CONVERT_FROM_PY = _CONVERT_TO_PY = _DESTROY_ROS_MESSAGE = 0

    return OfTFMessage("TFMessage", (), {"__module__": "tf2_msgs.msg"})


def _members() -> _Members:
    """Returns the layout of the type: one sequence, as PoseArray's second member is."""
    known = _Members.from_address(_Handle.from_address(_found(PoseArray, _SHAPE)).data)
    like = (_Member * known.count).from_address(known.members)[1]
    member = (_Member * 1)(_Member.from_buffer_copy(like))
    member[0].name, member[0].offset = b"transforms", 0
    member[0].nested = _found(TransformStamped, _SHAPE)
    _KEPT.append(member)
    made = _Members.from_buffer_copy(known)
    made.namespace, made.name, made.count = b"tf2_msgs__msg", b"TFMessage", 1
    made.size, made.members = ctypes.sizeof(_Sequence), ctypes.addressof(member)
    return made


def _description() -> _Description:
    """Returns the description of the type, which the node's `get_type_description` serves."""
    handle = _Handle.from_address(_address(TransformStamped))
    inner = _Description.from_address(_TELL(handle.description)(ctypes.addressof(handle)))
    known = (_Type * inner.others.size).from_address(inner.others.data)
    nested = sorted((inner.type, *known), key=lambda each: bytes(each.name.data))
    others = (_Type * len(nested))(*nested)
    of = _FieldType(_UNBOUNDED_SEQUENCE, 0, 0, _text(inner.type.name.data.decode()))
    field = (_Field * 1)(_Field(_text("transforms"), of, _text("")))
    _KEPT.extend((others, field))
    return _Description(
        _Type(_text(NAME), _Sequence(ctypes.addressof(field), 1, 1)),
        _Sequence(ctypes.addressof(others), len(nested), len(nested)),
    )


def _text(text: str) -> _String:
    data = text.encode()
    return _String(data, len(data), len(data) + 1)


def _address(kind: Any) -> int:
    """Returns where the handle of an installed type lies."""
    meta = type(kind)
    if meta._TYPE_SUPPORT is None:
        meta.__import_type_support__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return int(pointer(meta._TYPE_SUPPORT, None))


def _found(kind: Any, identifier: bytes) -> int:
    """Returns where the handle of an installed type for one middleware lies."""
    address = _address(kind)
    return int(_FIND(_Handle.from_address(address).find)(address, identifier))


def _capsule(address: int) -> Any:
    make = ctypes.pythonapi.PyCapsule_New
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return make(address, None, None)
