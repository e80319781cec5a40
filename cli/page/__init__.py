"""The page of `hstore ui`: a local web server that shows the searches of a store and controls them."""
