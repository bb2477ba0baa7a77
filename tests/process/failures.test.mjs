// SPDX-License-Identifier: Apache-2.0
// tools/failures: what a run of the tests says at its end of those that failed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const program = fileURLToPath(new URL('../../tools/failures', import.meta.url));

/** The log of ctest for tests of these names, outputs and ends. */
function logOf(tests) {
  return tests
    .map(([name, output, end], at) =>
      [`${at + 1}/${tests.length} Testing: ${name}`, `${at + 1}/${tests.length} Test: ${name}`, 'Output:', '-'.repeat(58),
       output, '<end of output>', 'Test time =   0.01 sec', '-'.repeat(58), `Test ${end}.`, `"${name}" end time: now`].join('\n'))
    .join('\n\n') + '\n';
}
function failuresOf(tests) {
  const { stdout, stderr, status } = spawnSync(program, { input: logOf(tests), encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return stdout;
}

test('who passed is not told of, whatever was printed', () => {
  assert.equal(failuresOf([['unit.fine', 'a.cpp:1: ERROR: CHECK( x ) in a text', 'Passed']]), '');
});

test('a failed check is told with its case and what belongs to it, without the noise before', () => {
  const noise = Array.from({ length: 500 }, (_, at) => `TEST CASE:  noisy ${at}\n  MESSAGE: nothing`).join('\n');
  const told = failuresOf([
    ['unit.fine', 'all is well', 'Passed'],
    ['unit.bad', `${noise}\nTEST CASE:  broken\na.cpp:5: ERROR: CHECK( x == 4 ) is NOT correct!\n  values: CHECK( 3 == 4 )`, 'Failed'],
  ]);
  assert.match(told, /^\nunit\.bad\n {2}TEST CASE: {2}broken\n {2}a\.cpp:5: ERROR: CHECK.*\n {4}values: CHECK\( 3 == 4 \)\n$/);
});

test('of a crash or a timeout the end of the output is told', () => {
  const lines = Array.from({ length: 100 }, (_, at) => `line ${at}`).join('\n');
  for (const end of ['Failed', 'Timeout']) {
    const told = failuresOf([['unit.crash', lines, end]]);
    assert.match(told, /^\nunit\.crash\n/);
    assert.match(told, /\n {2}line 99\n$/);
    assert.doesNotMatch(told, /line 80\n/);
  }
});

test('a flood of failed checks is cut', () => {
  const flood = Array.from({ length: 10_000 }, (_, at) => `a.cpp:${at}: ERROR: CHECK( ${'x'.repeat(2000)} )`).join('\n');
  const told = failuresOf([['unit.flood', flood, 'Failed'], ['unit.next', 'a.cpp:1: FATAL ERROR: REQUIRE( y )', 'Failed']]);
  assert.ok(told.length < 100_000, `${told.length}`);
  assert.match(told, /\nunit\.next\n {2}a\.cpp:1: FATAL ERROR: REQUIRE\( y \)\n$/);
});
