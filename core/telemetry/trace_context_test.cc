#include "core/telemetry/trace_context.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Of the W3C's text.
constexpr char kTrace[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kSpan[] = "b7ad6b7169203331";

std::string Header(const std::string& version, const std::string& trace,
                   const std::string& span, const std::string& flags) {
  return absl::StrCat(version, "-", trace, "-", span, "-", flags);
}

TEST(TraceContextTest, GoesThroughAHeader) {
  const TraceContext context = {.trace_id = kTrace, .span_id = kSpan};
  EXPECT_EQ(ToTraceparent(context),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(ParseTraceparent(ToTraceparent(context)), context);
}

TEST(TraceContextTest, OnlyTheLastFlagSaysThatTheCallerRecords) {
  EXPECT_FALSE(ParseTraceparent(Header("00", kTrace, kSpan, "00")));
  EXPECT_FALSE(ParseTraceparent(Header("00", kTrace, kSpan, "fe")));
  EXPECT_TRUE(ParseTraceparent(Header("00", kTrace, kSpan, "ff")));
  EXPECT_TRUE(ParseTraceparent(Header("00", kTrace, kSpan, "03")));
}

TEST(TraceContextTest, ALaterVersionMayHaveMore) {
  const std::string more = Header("01", kTrace, kSpan, "01-more");
  EXPECT_TRUE(ParseTraceparent(more));
  EXPECT_FALSE(ParseTraceparent(Header("00", kTrace, kSpan, "01-more")));
  EXPECT_FALSE(ParseTraceparent(Header("01", kTrace, kSpan, "01.more")));
}

TEST(TraceContextTest, WhatIsMalformedIsNoContext) {
  const std::string zeros(32, '0');
  for (const std::string& header :
       {std::string(), std::string("00"), std::string(10'000, '-'),
        Header("ff", kTrace, kSpan, "01"), Header("00", zeros, kSpan, "01"),
        Header("00", kTrace, zeros.substr(16), "01"),
        Header("00", "0AF7651916CD43DD8448EB211C80319C", kSpan, "01"),
        Header("00", kTrace, "b7ad6b716920333", "01"),
        Header("00", kTrace, "b7ad6b7169203331f", "01"),
        Header("00", kTrace, kSpan, "1"), Header("0x", kTrace, kSpan, "01")}) {
    EXPECT_FALSE(ParseTraceparent(header)) << header;
  }
}

TEST(TraceContextTest, ANameHasOneTraceAndASpanForEachAttempt) {
  const TraceContext first = TraceOf("run 000001/002", 1);
  EXPECT_EQ(ParseTraceparent(ToTraceparent(first)), first);
  EXPECT_EQ(TraceOf("run 000001/002", 1), first);
  const TraceContext second = TraceOf("run 000001/002", 2);
  EXPECT_EQ(second.trace_id, first.trace_id);
  EXPECT_NE(second.span_id, first.span_id);
  EXPECT_NE(TraceOf("run 000001/003", 1).trace_id, first.trace_id);
}

TEST(TraceContextTest, ANewSpanIsOfItsParentsTrace) {
  const TraceContext parent = TraceOf("x", 1);
  const TraceContext span = NewSpanIn(parent);
  EXPECT_EQ(ParseTraceparent(ToTraceparent(span)), span);
  EXPECT_EQ(span.trace_id, parent.trace_id);
  EXPECT_NE(span.span_id, parent.span_id);
  EXPECT_NE(NewSpanIn(parent).span_id, span.span_id);
}

}  // namespace
}  // namespace rlhf
