"""Problems that only claims need: files of their own, as a user of the lab would write them."""
