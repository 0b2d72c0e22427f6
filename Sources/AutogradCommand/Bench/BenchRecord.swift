import ArgumentParser
import AutogradEngine
import AutogradBase
import AutogradKernels

/// What recording costs when there is next to nothing to compute.
struct BenchRecord: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record", abstract: "Times a chain of 1000 additions of one element, on one thread.")

  @Option(help: ArgumentHelp("Steps to take the median of.", valueName: "n"))
  var repeats = 200

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if repeats < 1 { throw ValidationError("--repeats must be at least 1, got \(repeats)") }
  }

  mutating func run() throws {
    let length = 1000, tape = Tape<Float>(backend: Backend(pool: ThreadPool(threads: 1)))
    let x = Parameter<Float>(zeros: [1])
    var forward: [Double] = [], backward: [Double] = []
    for _ in 0..<repeats + 10 {
      let times = tape.step { tape in
        let watch = Stopwatch(.wall), one = tape.variable(x)
        var y = one
        for _ in 0..<length { y = y + one }
        let recorded = watch.seconds
        y.backward()
        return (recorded, watch.seconds - recorded)
      }
      forward.append(times.0)
      backward.append(times.1)
    }
    var report = Report(title: "a chain of \(length) additions of one element, one thread, median of \(repeats)")
    for (name, times) in [("forward", forward), ("backward", backward)] {
      // The first steps grow tables and arena.
      let microseconds = Array(times.dropFirst(10)).median / Double(length) * 1e6
      report.add(name + "_us", label: name, "\(microseconds.fixed(3)) µs per operation", .number(microseconds))
    }
    report.show(json: json)
  }
}
