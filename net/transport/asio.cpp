// SPDX-License-Identifier: Apache-2.0
// The one place where Asio and Beast are compiled; everyone else only sees their declarations
// (BOOST_ASIO_SEPARATE_COMPILATION, BOOST_BEAST_SEPARATE_COMPILATION).
#include <utility>

#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
