// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, refused, seconds } from './support/expect.mjs';
import { Throngd } from './support/throngd.mjs';
import { createWorkspace, installBot } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;
const robot = await installBot(acme, 'robot');
const unknown = 'U0NOSUCH0001';

describe('team, bots, emoji and do-not-disturb', () => {
  after(() => server.stop());

  it('team.info shows the workspace, and no other', async () => {
    assertHas(await alice.web.team.info(), { team: { id: acme.id, name: acme.name, domain: 'acme', icon: (icon) => typeof icon === 'object', url: /^http/ } });
    assertHas(await alice.web.team.info({ team: acme.id }), { team: { id: acme.id } });
    await refused(alice.web.team.info({ team: 'T0NOSUCH0001' }), 'team_not_found');
  });

  it('bots.info shows a bot', async () => {
    assertHas(await alice.web.bots.info({ bot: robot.bot }), { bot: { id: robot.bot, app_id: robot.app, user_id: robot.id, name: 'robot', deleted: false, updated: seconds } });
    await refused(alice.web.bots.info({ bot: 'B0NOSUCH0001' }), 'bot_not_found');
  });

  it('emoji.list answers a map and when it last changed', async () => {
    assertHas(await alice.web.emoji.list(), { ok: true, emoji: (map) => typeof map === 'object' && !Array.isArray(map), cache_ts: /^\d+/ });
  });

  it('snoozing starts, shows, and ends', async () => {
    assertHas(await alice.web.dnd.info(), { dnd_enabled: (v) => typeof v === 'boolean', next_dnd_start_ts: Number.isInteger, next_dnd_end_ts: Number.isInteger, snooze_enabled: false });
    await refused(alice.web.dnd.endSnooze(), 'snooze_not_active');
    const now = Math.floor(Date.now() / 1000);
    const snooze = await alice.web.dnd.setSnooze({ num_minutes: 10 });
    assertHas(snooze, { snooze_enabled: true, snooze_remaining: (s) => s > 500 && s <= 600, snooze_endtime: (t) => t >= now + 590 && t <= now + 620 });
    assertHas(await alice.web.dnd.info(), { snooze_enabled: true, snooze_endtime: snooze.snooze_endtime });
    assert.equal((await bob.web.dnd.info({ user: alice.id })).snooze_endtime, undefined, 'only oneself sees the snooze');
    const { users } = await bob.web.dnd.teamInfo({ users: `${alice.id},${bob.id}` });
    assertHas(users, { [alice.id]: { dnd_enabled: (v) => typeof v === 'boolean' }, [bob.id]: { next_dnd_start_ts: Number.isInteger } });
    assertHas(await alice.web.dnd.endSnooze(), { snooze_enabled: false });
    assertHas(await alice.web.dnd.endDnd(), { ok: true });
  });

  it('snoozing refuses rubbish', async () => {
    await refused(alice.web.apiCall('dnd.setSnooze', {}), 'missing_duration');
    await refused(alice.web.apiCall('dnd.setSnooze', { num_minutes: 'soon' }), /^(snooze_failed|invalid_arguments)$/);
    await refused(alice.web.dnd.info({ user: unknown }), 'user_not_found');
    await refused(alice.web.dnd.teamInfo({ users: Array.from({ length: 51 }, (_, i) => `${alice.id.slice(0, -2)}${10 + i}`).join(',') }), 'too_many_users');
  });
});
