// SPDX-License-Identifier: Apache-2.0
// An innocent client beside the misbehaving one: it must not notice anything.
import assert from 'node:assert/strict';
import { patience_ms } from './deadline.mjs';
import { Socket } from './socket.mjs';

export class Bystander {
  #person; #channel; #socket; #id = 0;

  static async join(person, channel) {
    const bystander = new Bystander();
    bystander.#person = person;
    bystander.#channel = channel;
    bystander.#socket = await Socket.connect(person);
    return bystander;
  }

  /** Still on the same line; pings, calls and posts work, and are answered soon. */
  async isFine() {
    const begin = Date.now();
    const id = ++this.#id;
    this.#socket.send({ id, type: 'ping' });
    await this.#socket.expect({ type: 'pong', reply_to: id });
    const { ts } = await this.#person.web.chat.postMessage({ channel: this.#channel, text: `still here ${id}` });
    await this.#socket.expect({ type: 'message', ts });
    assert.ok(Date.now() - begin < patience_ms, `took ${Date.now() - begin} ms`);
  }

  /** Pings only, for when the store can't take anything. */
  async pongs() {
    const id = ++this.#id;
    this.#socket.send({ id, type: 'ping' });
    await this.#socket.expect({ type: 'pong', reply_to: id });
  }

  async leave() { await this.#socket.close(); }
}
