// SPDX-License-Identifier: Apache-2.0
// CONSUL TOPOLOGY: the topology store of many nodes, in the KV store of Consul. A version is the key's ModifyIndex, a
// watch is a blocking query, a held key is locked by a session of its own, which is renewed three times in its ttl.
//
// While Consul is away, calls fail after the client's call_timeout and watches are silent; the last state they told
// still stands. A held key whose session can't be renewed for its ttl counts as lost, and so does one that a restarted,
// empty Consul knows nothing of: its holder is told, and calls hold() again until Consul is back. What was put is not
// put again by this store: it is Consul's to keep, on its servers' disks.
//
// One thread for the watchers, one for each watch and each held key.
#pragma once

#include <memory>
#include <string>

#include "cluster/consul_client.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

/// `root` is put before each key in Consul, so that clusters can share one; it ends with a slash or is empty.
/// Consul's sessions live for at least 10 s without being renewed, so a shorter ttl than that is taken as 10 s, and
/// Consul may take up to twice the ttl to notice.
/// Errors: errc::invalid_arguments for a root that isn't the start of a key. Consul needn't be there yet.
result<std::unique_ptr<topology_store>> open_consul_topology(std::shared_ptr<consul_client> client,
                                                             std::string root = "throng/");

}  // namespace throng
