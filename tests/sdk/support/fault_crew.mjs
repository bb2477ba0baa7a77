// SPDX-License-Identifier: Apache-2.0
// Writers to many channels through several nodes while something is done to the cluster: how long each channel was
// without an acknowledged post, and whether history has what was acknowledged.
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from './deadline.mjs';
import { Writer, checkHistory } from './writers.mjs';
import { createChannel } from './workspace.mjs';

export class FaultCrew {
  #writers = []; #isOver = false; #running;
  static #all = new Set();

  /** For the end of a test program: what a failed test has left behind writes no more. */
  static endAll() { for (const crew of FaultCrew.#all) crew.#isOver = true; }

  /** One writer a channel, the channels' writers on these nodes by turns. */
  static async start(nodes, person, name, count = 12) {
    const crew = new FaultCrew();
    FaultCrew.#all.add(crew);
    for (let i = 0; i < count; ++i) {
      const channel = (await createChannel(person, `${name}-${i}`)).id;
      const writer = new Writer(nodes[i % nodes.length], person.token, channel, `${name}${i}`);
      writer.times = [];
      crew.#writers.push(writer);
    }
    crew.person = person;
    crew.#running = Promise.all(crew.#writers.map((writer) => crew.#keep(writer)));
    crew.#running.catch(() => {}); // stop() tells
    await crew.allGoOn();
    return crew;
  }

  /** As a client does: refused or cut off, it tries again, under the same client_msg_id. */
  async #keep(writer) {
    while (!this.#isOver) {
      await writer.run(async ({ got }) => {
        writer.times.push(got);
        if (this.#isOver) return 'enough';
        await pause(10);
        return 'on';
      }, { isPatient: true });
      if (!this.#isOver) await pause(50);
    }
  }

  /** Until each has a post acknowledged that was sent after this call. */
  async allGoOn(timeout_ms = 30_000) {
    const before = this.#writers.map((writer) => writer.acknowledged.length);
    await eventually(() => `all writers to go on: ${this.#writers.map((writer, i) => writer.acknowledged.length - before[i])}`,
      () => this.#writers.every((writer, i) => writer.acknowledged.length >= before[i] + 2), timeout_ms);
  }

  /** Does it, and waits until all go on: the longest that each channel was without an acknowledgement, in ms, sorted. */
  async outages(fault, timeout_ms) {
    const began = performance.now();
    await fault();
    await this.allGoOn(timeout_ms);
    const ended = performance.now();
    return this.#writers.map(({ times }) => {
      const marks = [began, ...times.filter((time) => time > began && time <= ended)];
      return Math.max(...marks.slice(1).map((time, i) => time - marks[i]));
    }).sort((a, b) => a - b);
  }

  /** Ends, and compares all that was acknowledged with history as a node has it. */
  async stop(node) {
    this.#isOver = true;
    await this.#running;
    for (const writer of this.#writers) await this.#settleDoubt(writer, node);
    for (const writer of this.#writers) await checkHistory(node, this.person.token, writer.channel, [writer]);
  }

  /** The last post may be stored or not: sent again, it is. */
  async #settleDoubt(writer, node) {
    if (!writer.isInDoubt) return;
    await eventually(`the last post of ${writer.channel}`, async () => {
      await writer.moveTo(node).run(() => 'enough', { isPatient: true });
      return !writer.isInDoubt;
    });
  }
}

/** "p50 12 ms, most 30 ms" */
export const summary = (sorted) => `p50 ${sorted[Math.ceil(sorted.length / 2) - 1].toFixed(0)} ms, most ${sorted.at(-1).toFixed(0)} ms`;
