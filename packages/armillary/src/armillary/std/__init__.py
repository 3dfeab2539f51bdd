"""The built-in plugin ``std``: parts that more than one method uses."""
