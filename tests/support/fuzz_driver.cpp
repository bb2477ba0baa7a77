// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer, so that g++ and every test run have it too:
//
//   fuzz_driver CORPUS_FOLDER ROUNDS [SEED]
//
// First each file of the corpus, then ROUNDS mutations of them, always the same ones for the same seed. An input that
// ends the process is in the file that is printed first; give that file instead of a folder to run it alone.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;
using input = std::vector<std::uint8_t>;

constexpr std::size_t input_bytes_max = 1 << 16;
constexpr char telling[] = "{}[]\"'\\:;,.&|*=%+-#/\n\r\t 0\xff";  // and the zero at its end

input read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class mutator {
 public:
  mutator(const std::vector<input>& corpus, std::uint64_t seed) : corpus_(corpus), random_(seed) {}

  input next() {
    auto made = any_of_corpus();
    for (auto changes = below(8) + 1; changes > 0; --changes) change(made);
    if (made.size() > input_bytes_max) made.resize(input_bytes_max);
    return made;
  }

 private:
  // Not std::uniform_int_distribution: its numbers differ between libraries.
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

  const input& any_of_corpus() { return corpus_[below(corpus_.size())]; }

  void change(input& made) {
    auto at = below(made.size() + 1);
    auto here = made.begin() + static_cast<std::ptrdiff_t>(at);
    auto left = made.size() - at;
    switch (below(7)) {
      case 0:  // another byte
        if (left > 0) made[at] = static_cast<std::uint8_t>(random_());
        break;
      case 1:  // another bit
        if (left > 0) made[at] = static_cast<std::uint8_t>(made[at] ^ (1u << below(8)));
        break;
      case 2:  // a character that means something in most of our formats
        made.insert(here, static_cast<std::uint8_t>(telling[below(sizeof telling)]));
        break;
      case 3:  // lose a piece
        made.erase(here, here + static_cast<std::ptrdiff_t>(std::min(left, below(16) + 1)));
        break;
      case 4: {  // say a piece again, perhaps often
        input piece(here, here + static_cast<std::ptrdiff_t>(std::min(left, below(32) + 1)));
        for (auto times = below(4) == 0 ? below(64) : 1; times > 0 && made.size() < input_bytes_max; --times) {
          made.insert(made.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(), piece.end());
        }
        break;
      }
      case 5:  // end here
        made.resize(at);
        break;
      default: {  // go on as another input does
        const auto& other = any_of_corpus();
        auto from = below(other.size() + 1);
        made.resize(at);
        made.insert(made.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      }
    }
  }

  const std::vector<input>& corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: fuzz_driver CORPUS_FOLDER|FILE [ROUNDS [SEED]]\n", stderr), 2;
  const fs::path source = argv[1];
  const auto rounds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  const auto seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;

  std::vector<fs::path> files;
  if (fs::is_directory(source)) {
    for (const auto& entry : fs::directory_iterator(source)) files.push_back(entry.path());
  } else if (fs::exists(source)) {
    files.push_back(source);
  } else {
    return std::fprintf(stderr, "%s: no such folder or file\n", argv[1]), 2;
  }
  std::ranges::sort(files);  // the folder's own order differs from machine to machine
  std::vector<input> corpus;
  for (const auto& path : files) corpus.push_back(read_file(path));
  if (corpus.empty()) corpus.emplace_back();

  for (const auto& one : corpus) LLVMFuzzerTestOneInput(one.data(), one.size());
  if (rounds == 0) return 0;

  const auto kept = fs::temp_directory_path() / ("throng_fuzz_" + std::to_string(getpid()));
  std::printf("seed %llu, each input is kept in %s\n", seed, kept.c_str());
  std::fflush(stdout);
  const int file = open(kept.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  mutator mutations(corpus, seed);
  for (auto round = 0ull; round < rounds; ++round) {
    auto made = mutations.next();
    // Over the last one: a file that is emptied first is flushed to the disk each time.
    if (pwrite(file, made.data(), made.size(), 0) < 0 || ftruncate(file, static_cast<off_t>(made.size())) < 0) {
      return std::perror(kept.c_str()), 2;
    }
    LLVMFuzzerTestOneInput(made.data(), made.size());
  }
  close(file);
  fs::remove(kept);
  std::printf("%zu inputs, %llu mutations\n", corpus.size(), rounds);
  return 0;
}
