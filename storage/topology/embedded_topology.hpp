// SPDX-License-Identifier: Apache-2.0
// EMBEDDED TOPOLOGY: the topology store of one node alone: a file that one process at a time can have open. What put()
// and erase() answered survives kill -9 and power loss; a held key never outlives its process.
// Calls take one disk sync each (reads none), one at a time. One thread for the watches.
#pragma once

#include <filesystem>
#include <memory>

#include "storage/topology/topology_store.hpp"

namespace throng {

/// Opens the file, or makes it and its folder. Refuses, with a sentence that names the file, one that is in use
/// (errc::service_unavailable), and one that is damaged, of another program, or from a newer version
/// (errc::fatal_error); such a file is left as it was.
result<std::unique_ptr<topology_store>> open_embedded_topology(const std::filesystem::path& file);

}  // namespace throng
