import Testing

@testable import AutogradCommand

/// Numbers as people read them.
@Suite("Formatting") struct FormattingTests {
  @Test(
    "digits after the point, rounded",
    arguments: [
      (0.0, 2, "0.00"), (1.005, 1, "1.0"), (0.05, 1, "0.1"), (0.049, 1, "0.0"), (-0.04, 1, "0.0"), (-0.06, 1, "-0.1"),
      (-12.345, 2, "-12.35"), (2.5, 0, "3"), (0.9996, 3, "1.000"), (12.0304, 4, "12.0304"), (1e16, 2, "1e+16"),
      (.nan, 3, "nan"), (-.infinity, 3, "-inf"),
    ])
  func fixed(value: Double, digits: Int, text: String) { #expect(value.fixed(digits) == text) }

  @Test(
    "durations",
    arguments: [
      (0.0, "0s"), (0.5, "1s"), (59.4, "59s"), (59.5, "1m00s"), (60, "1m00s"), (65, "1m05s"), (3599, "59m59s"),
      (3599.6, "1h00m"), (3600, "1h00m"), (7620, "2h07m"), (90_000, "25h00m"), (1e9, "?"), (.infinity, "?"), (.nan, "?"),
    ])
  func duration(seconds: Double, text: String) { #expect(seconds.duration == text) }

  @Test(
    "two digits and an exponent",
    arguments: [
      (9.7e-4, "9.7e-04"), (1.0, "1.0e+00"), (9.96, "1.0e+01"), (9.94, "9.9e+00"), (0.00996, "1.0e-02"), (-250, "-2.5e+02"),
      (1e-12, "1.0e-12"), (3e100, "3.0e+100"), (0, "0.0"), (.infinity, "inf"),
    ])
  func scientific(value: Double, text: String) { #expect(value.scientific == text) }

  @Test(
    "thousands apart",
    arguments: [
      (0, "0"), (999, "999"), (1000, "1,000"), (-1000, "-1,000"), (1_115_394, "1,115,394"), (12_345, "12,345"),
      (Int.min, "-9,223,372,036,854,775,808"),
    ])
  func grouped(value: Int, text: String) { #expect(value.grouped == text) }

  @Test(
    "amounts of memory",
    arguments: [
      (0, "0 B"), (9999, "9999 B"), (10_000, "10.0 kB"), (9_999_999, "10000.0 kB"), (10_000_000, "10.0 MB"),
      (35_200_000, "35.2 MB"), (9_999_999_999, "10000.0 MB"), (10_000_000_000, "10.00 GB"), (123_456_000_000, "123.46 GB"),
    ])
  func bytes(value: Int, text: String) { #expect(value.bytes == text) }

  @Test("shares", arguments: [(0.873, "87.3 %"), (0, "0.0 %"), (1, "100.0 %"), (0.00049, "0.0 %")])
  func percent(value: Double, text: String) { #expect(value.percent == text) }

  @Test("text is padded on the right, and never cut")
  func padded() {
    #expect("ab".padded(to: 4) == "ab  " && "abc".padded(to: 2) == "abc")
  }

  @Test("tables set the first column to the left and the others to the right")
  func table() {
    var table = TextTable(["name", "ms"])
    table.rows = [["a", "1.25"], ["longer", "10"]]
    #expect(table.lines == ["name      ms", "a       1.25", "longer    10"])
  }
}
