// SPDX-License-Identifier: Apache-2.0
// Remembers which methods answered ok and which events came, over all test programs, so that coverage.test.mjs can say
// what nothing has exercised. Each program leaves one file in the folder THRONG_TEST_RECORD when it ends.
import { basename, join } from 'node:path';
import { writeFileSync } from 'node:fs';

const methods = new Set();
const events = new Set();

export function sawOk(method) { methods.add(method); }
export function sawEvent(event) { events.add(eventName(event)); }

/** `message/channel_topic`, `reaction_added`: a type and its subtype, if it has one. */
export function eventName(event) { return event.subtype ? `${event.type}/${event.subtype}` : event.type; }

const folder = process.env.THRONG_TEST_RECORD;
if (folder) {
  process.on('exit', () => {
    writeFileSync(join(folder, `${basename(process.argv[1])}.json`),
      JSON.stringify({ methods: [...methods], events: [...events] }));
  });
}
