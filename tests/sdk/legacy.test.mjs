// SPDX-License-Identifier: Apache-2.0
// The small old calls that real clients (wee-slack, libpurple, irc bridges) still make.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, ids, refused } from './support/expect.mjs';
import { Throngd } from './support/throngd.mjs';
import { createChannel, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob } = acme.people;

describe('legacy calls', () => {
  after(() => server.stop());

  it('users.prefs.get gives preferences', async () => {
    assertHas(await alice.web.apiCall('users.prefs.get'), { ok: true, prefs: (prefs) => typeof prefs === 'object' && 'muted_channels' in prefs });
  });

  it('im.open opens a direct message', async () => {
    const answer = await alice.web.apiCall('im.open', { user: bob.id });
    assertHas(answer, { ok: true, channel: { id: ids.direct } });
    assert.equal((await bob.web.conversations.open({ users: alice.id })).channel.id, answer.channel.id);
    await refused(alice.web.apiCall('im.open', { user: 'U0NOSUCH0001' }), 'user_not_found');
  });

  it('channels.list has the public, groups.list the private channels of a person', async () => {
    const open = await createChannel(alice, 'open', [bob]);
    const secret = await createChannel(alice, 'secret', [bob], { is_private: true });
    const hidden = await createChannel(alice, 'hidden', [], { is_private: true });
    const { channels } = await bob.web.apiCall('channels.list');
    assertHas(channels.find((c) => c.id === open.id), { name: 'open', is_channel: true, is_member: true, members: (list) => list === undefined || list.includes(bob.id) });
    assert.ok(!channels.some((c) => c.id === secret.id));
    const { groups } = await bob.web.apiCall('groups.list');
    assertHas(groups.find((g) => g.id === secret.id), { name: 'secret', is_group: true });
    assert.ok(!groups.some((g) => g.id === open.id || g.id === hidden.id));
  });

  it('rtm.start gives the whole boot', async () => {
    const boot = await alice.web.rtm.start({ no_unreads: true, mpim_aware: true });
    assertHas(boot, { ok: true, url: /^ws:/, self: { id: alice.id, name: 'alice' }, team: { id: acme.id, domain: 'acme', name: acme.name } });
    for (const key of ['channels', 'groups', 'ims', 'mpims', 'users', 'bots']) assert.ok(Array.isArray(boot[key]), key);
    assertHas(boot.channels.find((c) => c.id === acme.general), { name: 'general', is_member: true });
    assertHas(boot.users.find((u) => u.id === bob.id), { name: 'bob', presence: /^(away|active)$/ });
    assertHas(boot.ims.find((im) => im.user === bob.id), { id: ids.direct });
  });
});
