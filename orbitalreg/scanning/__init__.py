"""Files and scanners: what is to be scanned, the children that do it, and what is known of a package."""
