// SPDX-License-Identifier: Apache-2.0
// A bare websocket on the RTM, for what the official package never does or never shows.
import WebSocket from 'ws';
import { matches, show } from './expect.mjs';
import { sawEvent } from './record.mjs';
import { within } from './deadline.mjs';

/** Arguments of rtm.connect for somebody who comes back: the session, and the newest position seen of each stream. */
export function resumeWith(session, frames) {
  const cursors = {};
  for (const { stream, epoch, seq } of frames) if (seq !== undefined) cursors[stream] = [epoch, seq];
  return { session, cursors: JSON.stringify(cursors) };
}

export class Socket {
  frames = []; // every JSON object that came
  closed;      // resolves with {code, reason}
  ws;
  #waiting = new Set(); #next = 0;

  /** Upgrades at once; `hello` is in `frames` when this returns, unless `expectHello` is off. */
  static async open(url, { expectHello = true, ...options } = {}) {
    const socket = new Socket();
    const ws = new WebSocket(url, { perMessageDeflate: false, ...options });
    socket.ws = ws;
    socket.closed = new Promise((done) => { ws.on('close', (code, reason) => done({ code, reason: String(reason) })); });
    ws.on('message', (data) => socket.#note(JSON.parse(String(data))));
    await within('websocket to open', new Promise((done, failed) => {
      ws.on('open', done);
      ws.on('error', failed);
      ws.on('unexpected-response', (_, response) => failed(Object.assign(new Error(`HTTP ${response.statusCode}`), { status: response.statusCode })));
    }));
    ws.on('error', () => {}); // a cut is seen through `closed`
    if (expectHello) await socket.expect({ type: 'hello' });
    return socket;
  }

  /** A single-use ticket from rtm.connect, used at once. */
  static async connect(person, args = {}, options = {}) {
    const boot = await person.web.rtm.connect(args);
    return Object.assign(await Socket.open(boot.url, options), { boot });
  }

  #note(frame) {
    if (frame.type) sawEvent(frame);
    this.frames.push(frame);
    for (const wake of this.#waiting) wake();
  }

  /** The first frame with these fields after those that earlier calls returned. */
  async expect(fields) {
    let wake;
    try {
      return await within(() => `frame with ${show(fields)}; received: ${show(this.frames)}`, new Promise((done) => {
        wake = () => {
          const at = this.frames.findIndex((frame, i) => i >= this.#next && matches(frame, fields));
          if (at < 0) return;
          this.#next = at + 1;
          done(this.frames[at]);
        };
        this.#waiting.add(wake);
        wake();
      }));
    } finally {
      this.#waiting.delete(wake);
    }
  }

  send(frame) { this.ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame)); }

  async close() {
    this.ws.close(1000);
    return within('websocket to close', this.closed);
  }

  /** The connection is gone without a word, as when a laptop is shut. */
  cut() { this.ws.terminate(); }
}
