import ArgumentParser
import Autograd
import Base
import Kernels

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
    let x = Parameter<Float>(zeros: [1]), clock = ContinuousClock()
    var forward: [Duration] = [], backward: [Duration] = []
    for _ in 0..<repeats + 10 {
      let times = tape.step { tape in
        let start = clock.now, one = tape.variable(x)
        var y = one
        for _ in 0..<length { y = y + one }
        let middle = clock.now
        y.backward()
        return (start.duration(to: middle), middle.duration(to: clock.now))
      }
      forward.append(times.0)
      backward.append(times.1)
    }
    var report = Report(title: "a chain of \(length) additions of one element, one thread, median of \(repeats)")
    for (name, times) in [("forward", forward), ("backward", backward)] {
      // The first steps grow tables and arena.
      let sorted = times.dropFirst(10).sorted(), median = sorted[sorted.count / 2] / length
      let microseconds = Double(median.components.attoseconds) * 1e-12
      report.add(name + "_us", label: name, "\(microseconds.fixed(3)) µs per operation", .number(microseconds))
    }
    report.show(json: json)
  }
}
