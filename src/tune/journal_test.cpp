#include "tune/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attune/error.h"

namespace attune {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class JournalTest : public ::testing::Test {
 protected:
  ~JournalTest() override { std::filesystem::remove(path_); }

  std::string error_of(const json& identity) const {
    try {
      Journal(path_, identity, true);
    } catch (const Error& error) {
      return error.text();
    }
    return "no error";
  }

  const std::filesystem::path path_ = std::filesystem::path(::testing::TempDir()) / "test.journal";
  const json identity_ = {{"model", {{"hash", "00ff"}, {"bytes", 3}}}};
};

TEST_F(JournalTest, GivesBackWhatWasMeasuredInOrder) {
  {
    Journal journal(path_, identity_, false);
    journal.add({{"a", 1}}, 10);
    journal.add({{"b", 1}}, 20);
    journal.add({{"a", 1}}, 11);
    EXPECT_EQ(journal.take({{"a", 1}}), std::nullopt);  // only what an earlier run has measured
  }
  Journal journal(path_, identity_, true);
  EXPECT_EQ(journal.take({{"a", 1}}), json(10));
  EXPECT_EQ(journal.take({{"a", 1}}), json(11));
  EXPECT_EQ(journal.take({{"a", 1}}), std::nullopt);
  EXPECT_EQ(journal.take({{"c", 1}}), std::nullopt);
  EXPECT_EQ(journal.taken(), 2U);
  journal.add({{"c", 1}}, 30);
  Journal third(path_, identity_, true);
  EXPECT_EQ(third.take({{"c", 1}}), json(30));
  third.remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(JournalTest, ALineThatIsCutOffIsLost) {
  { Journal(path_, identity_, false).add({{"a", 1}}, 10); }
  std::ofstream(path_, std::ios::app) << R"({"key": {"a": 1}, "val)";
  Journal journal(path_, identity_, true);
  EXPECT_EQ(journal.take({{"a", 1}}), json(10));
  EXPECT_EQ(journal.take({{"a", 1}}), std::nullopt);
}

TEST_F(JournalTest, RefusesToMixRuns) {
  EXPECT_THAT(error_of(identity_), HasSubstr("no interrupted run has left it"));
  { const Journal journal(path_, identity_, false); }
  EXPECT_THAT(error_of({{"model", {{"hash", "00ff"}, {"bytes", 4}}}}), HasSubstr("/model/bytes was 3, now 4"));
  std::ofstream(path_) << "hello\n";
  EXPECT_THAT(error_of(identity_), HasSubstr("this version did not write it"));
}

TEST_F(JournalTest, AFullDiskEndsTheJournalOnly) {
  Journal journal("/dev/full", identity_, false);
  journal.add({{"a", 1}}, 10);
  EXPECT_EQ(journal.failure(), "No space left on device");
  journal.remove();
  EXPECT_TRUE(std::filesystem::exists("/dev/full"));
  const Journal nowhere("/nowhere/test.journal", identity_, false);
  EXPECT_EQ(nowhere.failure(), "No such file or directory");
  EXPECT_EQ(Journal().failure(), "");
}

}  // namespace
}  // namespace attune
