// SPDX-License-Identifier: Apache-2.0
// Says which methods no test has seen answer ok, and which events no test has received. Runs after all other programs of
// this folder and reads what they left in THRONG_TEST_RECORD.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

const methods = `
  api.test auth.test auth.revoke auth.teams.list rtm.connect rtm.start
  conversations.archive conversations.close conversations.create conversations.history conversations.info
  conversations.invite conversations.join conversations.kick conversations.leave conversations.list conversations.mark
  conversations.members conversations.open conversations.rename conversations.replies conversations.setPurpose
  conversations.setTopic conversations.unarchive
  chat.postMessage chat.update chat.delete chat.postEphemeral chat.meMessage chat.getPermalink
  reactions.add reactions.remove reactions.get reactions.list
  pins.add pins.remove pins.list
  users.info users.list users.lookupByEmail users.conversations users.getPresence users.setPresence
  users.profile.get users.profile.set
  team.info bots.info emoji.list dnd.info dnd.teamInfo dnd.setSnooze dnd.endSnooze dnd.endDnd
  users.prefs.get im.open channels.list groups.list
  admin.teams.create admin.users.invite admin.users.setAdmin admin.users.remove apps.manifest.create
  throng.tokens.issue throng.apps.install throng.ratelimits.set`;

// The events of Slack's chat table that these methods can cause. What is absent: files (file_share), deleted channels
// and posting permissions (no such method), app_mention (Events API only), team_migration_started (never sent).
const events = `
  hello goodbye reconnect_url error pong gap
  message message/bot_message message/me_message message/message_changed message/message_deleted
  message/message_replied message/thread_broadcast message/channel_join message/channel_leave message/channel_topic
  message/channel_purpose message/channel_name message/channel_archive message/channel_unarchive
  channel_created channel_joined channel_left channel_rename channel_archive channel_unarchive channel_marked
  group_joined group_left group_rename group_archive group_unarchive group_marked group_open group_close
  im_created im_open im_close im_marked member_joined_channel member_left_channel
  reaction_added reaction_removed pin_added pin_removed
  user_typing presence_change manual_presence_change
  user_change team_join bot_added dnd_updated dnd_updated_user`;

const words = (text) => text.trim().split(/\s+/);
const folder = process.env.THRONG_TEST_RECORD;
const records = folder ? readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8'))) : [];

it('the other programs left their records', () => {
  assert.ok(records.length > 0, 'THRONG_TEST_RECORD must name the folder that the other test programs wrote to');
});
for (const [kind, list] of Object.entries({ methods, events })) {
  it(`all ${kind} were exercised`, () => {
    const seen = new Set(records.flatMap((record) => record[kind] ?? []));
    assert.deepEqual(words(list).filter((name) => !seen.has(name)), [], `${kind} that nothing exercised`);
  });
}
