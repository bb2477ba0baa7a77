// SPDX-License-Identifier: Apache-2.0
// What the tests say about answers: a partial comparison (Slack's objects have many more fields than a test is about),
// and refusals by their code.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';

/** Whether `actual` has at least what `expected` names. A function in `expected` is asked, a RegExp is matched. */
export function matches(actual, expected) {
  if (typeof expected === 'function') return Boolean(expected(actual));
  if (expected instanceof RegExp) return typeof actual === 'string' && expected.test(actual);
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && actual.length === expected.length && expected.every((e, i) => matches(actual[i], e));
  }
  if (expected !== null && typeof expected === 'object') {
    return actual !== null && typeof actual === 'object'
      && Object.keys(expected).every((key) => matches(actual[key], expected[key]));
  }
  return Object.is(actual, expected);
}

export const show = (value) => inspect(value, { depth: 8, breakLength: 120 });

export function assertHas(actual, expected, why = '') {
  assert.ok(matches(actual, expected), `${why}\nexpected at least ${show(expected)}\nin ${show(actual)}`);
}

/** The call must be answered ok:false with this code (a text, or a RegExp). Returns the whole answer. */
export async function refused(call, code) {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    if (error.data === undefined) throw error;
    assert.ok(matches(error.data.error, code), `refused with ${error.data.error} instead of ${code}`);
    return error.data;
  }
  return assert.fail(`expected ${code}, but the answer was ${show(answer)}`);
}

export const ids = {
  team: /^T[A-Z0-9]{6,}$/, user: /^[UW][A-Z0-9]{6,}$/, channel: /^C[A-Z0-9]{6,}$/, direct: /^D[A-Z0-9]{6,}$/,
  bot: /^B[A-Z0-9]{6,}$/, app: /^A[A-Z0-9]{6,}$/,
};
export const ts = /^\d{10}\.\d{6}$/;
export const seconds = (value) => Number.isInteger(value) && value > 1_600_000_000 && value < 4_000_000_000;
