"""Drawing of arrays as pictures, sheets and charts, without runs or their files."""
