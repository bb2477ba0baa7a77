// SPDX-License-Identifier: Apache-2.0
// Waiting for conditions. Nothing here sleeps for a guessed time: every wait ends as soon as its condition holds, and
// fails with what was seen when its deadline passes.

export const patience_ms = 15_000; // generous: two busy cores; nothing waits this long when all is well

/** The first true answer of `check`, asked again and again; fails with `what` (as in within()) and the last answer after the deadline. */
export async function eventually(what, check, deadline_ms = patience_ms) {
  const end = Date.now() + deadline_ms;
  for (;;) {
    const answer = await check();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${typeof what === 'function' ? what() : what}: not within ${deadline_ms} ms; last seen: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** `promise`, or an error that names `what` (a text, or a function asked when the deadline passes). */
export function within(what, promise, deadline_ms = patience_ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${typeof what === 'function' ? what() : what}: not within ${deadline_ms} ms`));
    }, deadline_ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
