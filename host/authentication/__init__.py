"""Names and passwords: files of users and of groups, and the kinds of hashes in them."""
