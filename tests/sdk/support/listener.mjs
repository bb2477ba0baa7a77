// SPDX-License-Identifier: Apache-2.0
// Somebody who is connected by the official RTM package and writes down every event in order.
import assert from 'node:assert/strict';
import { eventName, sawEvent, sawOk } from './record.mjs';
import { matches, show } from './expect.mjs';
import { rtmClient } from './slack.mjs';
import { within } from './deadline.mjs';

export class Listener {
  received = []; // {name, event}, in the order of arrival
  rtm; boot;
  #server; #waiting = new Set(); #claimed = new Set();

  /** Connected and past hello. `start`: arguments of rtm.connect; other options go to the RTM package. */
  static async connect(server, person, { start, ...options } = {}) {
    const listener = new Listener();
    listener.#server = server;
    listener.rtm = rtmClient(server.client, person.token, options);
    listener.rtm.on('slack_event', (_, event) => listener.#note(event));
    // Not its `ready`: that is two seconds later, and what is sent before is queued until then.
    const hello = new Promise((done, failed) => {
      listener.rtm.once('hello', done);
      listener.rtm.on('unable_to_rtm_start', failed);
      listener.rtm.on('error', failed);
    });
    [listener.boot] = await within('RTM client to be connected', Promise.all([listener.rtm.start(start), hello]));
    sawOk(options.useRtmConnect === false ? 'rtm.start' : 'rtm.connect');
    server.listeners.add(listener);
    return listener;
  }

  #note(event) {
    if (event.type) sawEvent(event);
    this.received.push({ name: event.type ? eventName(event) : `reply_to ${event.reply_to}`, event });
    for (const wake of this.#waiting) wake();
  }

  /** The first event of this name with these fields that no earlier expect() was given. */
  async expect(name, fields = {}) {
    const find = () => this.received.find((r) => r.name === name && !this.#claimed.has(r) && matches(r.event, fields));
    let wake;
    try {
      const found = await within(() => `event ${name} with ${show(fields)}; received: ${this.#summary(name)}`,
        new Promise((done) => {
          wake = () => { const hit = find(); if (hit) done(hit); };
          this.#waiting.add(wake);
          wake();
        }));
      this.#claimed.add(found);
      return found.event;
    } finally {
      this.#waiting.delete(wake);
    }
  }

  /** Nothing of this name with these fields has come so far. Wait for a later event first: that is the fence. */
  hasNot(name, fields = {}) {
    const found = this.received.find((r) => r.name === name && matches(r.event, fields));
    assert.equal(found, undefined, `unexpected ${name}: ${show(found?.event)}`);
  }

  all(name, fields = {}) {
    return this.received.filter((r) => r.name === name && matches(r.event, fields)).map((r) => r.event);
  }

  #summary(name) {
    const same = this.received.filter((r) => r.name === name).map((r) => r.event);
    return `${this.received.map((r) => r.name).join(', ')}${same.length ? `; of that name: ${show(same)}` : ''}`;
  }

  async close() {
    this.#server.listeners.delete(this);
    if (!this.rtm.connected) return;
    await within('RTM client to disconnect', this.rtm.disconnect());
  }
}
