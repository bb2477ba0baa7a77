// SPDX-License-Identifier: Apache-2.0
// Two of three nodes are killed at once, whichever they are: the third goes on alone, without waiting for anything to
// expire in Consul, since their hosts say that nobody listens any more.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from '../sdk/support/deadline.mjs';
import { FaultCrew, summary } from '../sdk/support/fault_crew.mjs';
import { ScriptCluster } from '../sdk/support/script_cluster.mjs';
import { shell, table } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { createWorkspace } from '../sdk/support/workspace.mjs';

const cluster = await ScriptCluster.up('3', '--mysql', '1x1');
const all = ['n1', 'n2', 'n3'];
await cluster.settled(all);
const { alice } = (await createWorkspace(cluster.nodes.n1, 'acme', ['alice'])).people;
const at = (node) => ({ ...alice, web: webClient(node.client, alice.token) });
const killAtOnce = (names) => names.map((name) => cluster.pid(name)).forEach((pid) => process.kill(pid, 'SIGKILL'));
const leader = async (node) => /(n\d) coordinates/.exec(JSON.stringify(await shell(node, 'nodes')))?.[1];

describe('most nodes are killed at once', () => {
  after(async () => {
    FaultCrew.endAll();
    await cluster.down();
  });

  for (const survivor of all) {
    it(`${survivor} goes on alone`, { timeout: 90_000 }, async () => {
      const alone = cluster.nodes[survivor];
      const others = all.filter((name) => name !== survivor);
      const led = await leader(alone);
      const crew = await FaultCrew.start([alone], at(alone), `after-${survivor}`);
      const outages = await crew.outages(async () => killAtOnce(others));
      process.stdout.write(`${others} are killed at once, ${led} led: until the next acknowledged post of each channel ${summary(outages)}\n`);
      assert.ok(outages.at(-1) < 15_000);
      const rows = await cluster.settled([survivor]);
      assert.equal(rows[0].SLOTS, 4096);
      await crew.stop(alone);
      await cluster.up();
      await cluster.settled(all);
    });
  }

  it('after all were killed, they serve again without waiting for the records of the dead', { timeout: 90_000 }, async () => {
    killAtOnce(all);
    await eventually('the nodes to be gone', async () => (await cluster.fine('status')).match(/^n\d\s+down/gm)?.length === 3);
    const began = performance.now();
    await cluster.up();
    process.stdout.write(`all were killed: all serve again ${(performance.now() - began).toFixed(0)} ms after they were started\n`);
    await cluster.settled(all);
    assert.equal((await table(cluster.nodes.n1, 'nodes')).length, 3);
  });
});
