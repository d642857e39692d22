#!/bin/sh
# The tests of this directory, in a fresh root, as sam. `"test": "./test.sh"` in package.json makes it `npm test`.
exec rootlet run --volume "$PWD:$PWD:O" --workdir "$PWD" -- node --test --test-reporter=tap
