// SPDX-License-Identifier: Apache-2.0
// The conformance suite against a real Consul.
#include "tests/cluster/topology/consul_harness.hpp"

#define THRONG_TOPOLOGIES consul_harness
#include "tests/unit/storage/topology/topology_contract.hpp"
