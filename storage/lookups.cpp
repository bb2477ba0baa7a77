// SPDX-License-Identifier: Apache-2.0
#include "storage/lookups.hpp"

namespace throng {

lookup_writer* lookups_of(store& shard) { return dynamic_cast<lookup_writer*>(&shard); }
lookup_reader* lookups_of(store_reader& reader) { return dynamic_cast<lookup_reader*>(&reader); }

}  // namespace throng
