"""How fast tinyedge's files are beside other engines, and how cost grows with size."""
