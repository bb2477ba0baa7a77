// SPDX-License-Identifier: Apache-2.0
// Numbers that look random and come again with the same seed. A random test prints its seed; THRONG_TEST_SEED repeats it.

export const seed = Number(process.env.THRONG_TEST_SEED ?? Date.now() % 2 ** 31);

/** mulberry32 (public domain, by Tommy Ettinger): answers whole numbers below `bound`. */
export function randomNumbers(start = seed) {
  let state = start >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}
