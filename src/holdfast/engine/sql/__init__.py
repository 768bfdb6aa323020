"""What the SQL engines share: the layout on disk, the views through which a branch is seen, reading and writing."""
