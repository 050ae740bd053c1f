"""From sensor topics to a sample: checked, put in order by their stamps, put together."""
