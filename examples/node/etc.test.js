const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const test = require('node:test');

test('the program may not write its configuration', () => {
  assert.throws(() => fs.writeFileSync('/etc/motd', 'x'), { code: 'EACCES' });
});

test('its own home is its own', () => {
  fs.writeFileSync(`${os.homedir()}/mine`, 'x');
});
