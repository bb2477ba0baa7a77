// SPDX-License-Identifier: Apache-2.0
// Writers post through the API while the process is killed with SIGKILL at a random moment, 20 times, and started again
// on the same data. What was acknowledged is in history exactly once and in order; what was in doubt is there once after
// it is sent again under the same client_msg_id; readers that come back see everything once.
import assert from 'node:assert/strict';
import { describe, it, after } from 'node:test';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { randomNumbers, seed } from '../sdk/support/random.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Socket, resumeWith } from '../sdk/support/socket.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';
import { Writer, checkHistory } from '../sdk/support/writers.mjs';

const kills = 20;
const writers_per_channel = 3;
const random = randomNumbers();
console.log(`seed ${seed} (THRONG_TEST_SEED repeats it)`);

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;
const channels = [acme.general, (await createChannel(alice, 'second', [bob])).id];

/** Follows one channel as a client does: the socket's events, and after a reconnect what it missed. */
class Reader {
  seen = []; // {ts, text} in the order in which a user would have seen them
  disorder = []; // [ts, the one before it] of messages that came twice or too late on one socket
  #channel; #socket; #session; #frames = []; #newest;
  constructor(channel) { this.#channel = channel; }

  async connect() {
    const web = webClient(server.client, bob.token);
    const boot = await web.rtm.connect(this.#session ? resumeWith(this.#session, this.#frames) : {});
    const socket = await Socket.open(boot.url);
    this.#session = boot.session;
    this.#socket = socket;
    // The session ended with the process; or it goes on, but of a stream that it had seen nothing of, it is told of a gap only.
    if (!boot.resumed || !this.#frames.some((frame) => frame.stream === this.#channel)) await this.#fetchMissed(web);
    this.#newest = '';
    for (const frame of socket.frames) this.#hear(frame);
    socket.ws.on('message', (data) => this.#hear(JSON.parse(String(data))));
  }

  #hear(frame) {
    if (frame.type === 'message' && !frame.subtype && frame.channel === this.#channel) {
      if (frame.ts <= this.#newest) this.disorder.push([frame.ts, this.#newest]);
      this.#newest = frame.ts;
    }
    this.#take(frame);
  }

  async #fetchMissed(web) {
    const last = this.seen.at(-1)?.ts ?? '0'; // killed before it saw anything: then everything was missed
    const missed = [];
    for await (const page of web.paginate('conversations.history', { channel: this.#channel, oldest: last, limit: 200 })) missed.push(...page.messages);
    for (const message of missed.reverse()) this.#take({ ...message, channel: this.#channel });
  }

  #take(frame) {
    this.#frames.push(frame);
    if (frame.type !== 'message' || frame.subtype || frame.channel !== this.#channel) return;
    if (this.seen.length > 0 && frame.ts <= this.seen.at(-1).ts) return; // history and the socket overlap
    this.seen.push({ ts: frame.ts, text: frame.text });
  }

  async disconnected() { await within('the reader to notice the kill', this.#socket.closed); }
}

describe('kill -9', () => {
  after(() => server.stop());

  const writers = channels.flatMap((channel, c) => Array.from({ length: writers_per_channel }, (_, w) => ({ channel, writer: new Writer(server, alice.token, channel, `w${c}${w}`) })));
  const readers = channels.map((channel) => new Reader(channel));

  it(`${kills} times under load: nothing acknowledged is lost, doubled or out of order`, async () => {
    await Promise.all(readers.map((reader) => reader.connect()));
    for (let round = 0; round < kills; ++round) {
      const delay_ms = random(250);
      let killed;
      const running = writers.map(({ writer }) => writer.run(() => {
        killed ??= new Promise((done) => { setTimeout(() => done(server.kill()), delay_ms); });
      }));
      await within(`round ${round}, killed ${delay_ms} ms after the first acknowledgement`, Promise.all(running), 30_000);
      await killed;
      await Promise.all(readers.map((reader) => reader.disconnected()));
      await server.launch();
      await Promise.all(readers.map((reader) => reader.connect()));
    }
    // What is still in doubt is sent once more, and one new message each.
    await Promise.all(writers.map(({ writer }) => {
      let left = 2;
      return writer.run(() => (--left > 0 ? 'on' : 'enough'));
    }));

    let total = 0;
    for (const [index, channel] of channels.entries()) {
      const posts = await checkHistory(server, bob.token, channel, writers.filter((w) => w.channel === channel).map(({ writer }) => writer));
      await eventually('the reader to have seen the last message', () => readers[index].seen.at(-1)?.ts === posts.at(-1).ts);
      assert.deepEqual(readers[index].seen, posts.map(({ ts, text }) => ({ ts, text })));
      assert.deepEqual(readers[index].disorder, [], 'no socket told anything twice or out of order');
      total += posts.length;
    }
    console.log(`${total} messages acknowledged over ${kills} kills`);
    assert.ok(total > kills, 'the writers got something done');
  });
});
