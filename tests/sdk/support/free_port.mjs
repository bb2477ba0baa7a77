// SPDX-License-Identifier: Apache-2.0
// Ports for servers of other programs, which can't be given 0.
import { createServer } from 'node:net';

const given = new Set(); // somebody may be about to listen there

/**
 * One that nobody listens at on 127.0.0.1. Below 32768, where the kernel takes none for clients: where a client's
 * connection was, nobody can listen for a minute.
 */
export async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    const isFree = await new Promise((done) => {
      const probe = createServer().once('error', () => done(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
    });
    if (isFree && !given.has(port)) {
      given.add(port);
      return port;
    }
  }
}
