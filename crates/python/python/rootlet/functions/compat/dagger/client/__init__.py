"""The API's types, under the names of the modules that Dagger has them in."""
