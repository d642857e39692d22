#!/usr/bin/env bats
# Each `run` has a fresh root, as sam. Run it with `bats .`

@test "the program may not write its configuration" {
  run rootlet run -- sh -c 'echo x > /etc/motd'
  [ "$status" -ne 0 ]
  [[ "$output" == *"Permission denied"* ]]
}

@test "root may, and nothing of it stays" {
  rootlet run --user root -- sh -c 'echo x > /etc/made-by-the-test'
  [ ! -e /etc/made-by-the-test ]
}
