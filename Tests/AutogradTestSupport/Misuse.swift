import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A crash report would take seconds: to be called before an exit test.
public func silenceCrashReports() { setenv("SWIFT_BACKTRACE", "enable=no", 1) }

/// Expects that a process ended with a sentence.
public func expectSentence(
  _ sentence: String, _ result: ExitTest.Result?, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
  #expect(text.contains(sentence), "\(text)", sourceLocation: sourceLocation)
}
