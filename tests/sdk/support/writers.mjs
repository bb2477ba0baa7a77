// SPDX-License-Identifier: Apache-2.0
// Clients that post one message after another and remember what was acknowledged, and the check that all of it is in
// history exactly once and in order. For tests that break what is below.
import assert from 'node:assert/strict';
import { eventually } from './deadline.mjs';
import { post as send } from './lean_http.mjs';
import { webClient } from './slack.mjs';

/** What a server answers when it can't know or can't do it now: the post is sent again, under the same client_msg_id. */
const passing = new Set(['service_unavailable', 'unavailable', 'internal_error', 'request_timeout', 'overloaded', 'conflict', 'fatal_error']);

/**
 * What `ask` answers when it is no "not now" any more: for calls to a cluster that has just lost a node. What it posts has
 * a client_msg_id.
 */
export function patiently(what, ask) {
  let last;
  return eventually(() => `${what} (${last})`, () => ask().catch((error) => {
    if (!passing.has(error.data?.error)) throw error;
    last = error.data.error;
  }), 30_000);
}

export class Writer {
  acknowledged = []; // {id, text, ts} in the order of posting
  #server; #token; #channel; #name; #next = 0; #inDoubt;
  constructor(server, token, channel, name) { this.#server = server; this.#token = token; this.#channel = channel; this.#name = name; }
  get channel() { return this.#channel; }
  /** Is there a post of which nobody knows whether it was stored? */
  get isInDoubt() { return this.#inDoubt !== undefined; }
  /** Posts through another node from now on. */
  moveTo(server) {
    this.#server = server;
    return this;
  }

  /**
   * Until the line is cut, or `noticed({sent, got, ts})` answers 'enough' after an acknowledgement (times of
   * performance.now()). `isPatient`: an answer that says "not now" is no failure.
   */
  async run(noticed, { isPatient = false } = {}) {
    for (;;) {
      const post = this.#inDoubt ?? { id: `${this.#name}-${this.#next}`, text: `${this.#name} ${this.#next++}` };
      this.#inDoubt = post;
      const sent = performance.now();
      let answer;
      try {
        answer = JSON.parse(await send(`${this.#server.api}/chat.postMessage`,
          { authorization: `Bearer ${this.#token}`, 'content-type': 'application/x-www-form-urlencoded' },
          new URLSearchParams({ channel: this.#channel, text: post.text, client_msg_id: post.id }).toString()));
      } catch {
        return; // the line was cut: nobody knows whether it was stored
      }
      if (isPatient && !answer.ok && passing.has(answer.error)) {
        this.refused = (this.refused ?? 0) + 1;
        continue;
      }
      assert.ok(answer.ok, `refused: ${JSON.stringify(answer)}`);
      this.acknowledged.push({ ...post, ts: answer.ts });
      this.#inDoubt = undefined;
      if (await noticed({ sent, got: performance.now(), ts: answer.ts }) === 'enough') return;
    }
  }
}

/** What history has of a channel, oldest first, after it was compared with what these writers of it were told. */
export async function checkHistory(server, token, channel, writers) {
  const web = webClient(server.client, token);
  const stored = [];
  for await (const page of web.paginate('conversations.history', { channel, limit: 500 })) stored.push(...page.messages);
  const posts = stored.reverse().filter((m) => !m.subtype);
  const all = stored.map((m) => m.ts);
  assert.deepEqual(all, [...new Set(all)].sort(), 'ts is unique and increasing');

  const acknowledged = writers.flatMap((writer) => writer.acknowledged);
  const byId = new Map();
  for (const post of posts) {
    assert.ok(!byId.has(post.client_msg_id), `${post.client_msg_id} is stored twice`);
    byId.set(post.client_msg_id, post);
  }
  for (const { id, text, ts } of acknowledged) {
    assert.deepEqual({ text: byId.get(id)?.text, ts: byId.get(id)?.ts }, { text, ts }, `${id} was acknowledged`);
  }
  assert.equal(posts.length, acknowledged.length, 'nothing else is stored');
  for (const writer of writers) {
    const own = writer.acknowledged.map((a) => a.ts);
    assert.deepEqual(own, [...own].sort(), 'each writer\'s messages are in the order of posting');
  }
  return posts;
}
