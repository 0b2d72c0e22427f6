import AutogradBase
import Glibc
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// A chain of operations drawn at random, over variables of 12 elements that often share memory.
private struct RandomProgram {
  enum Operation: Equatable {
    case linear, activated, norm, reshape(Int), passed, dropped, tanh, parameter
    case add(Int), multiply(Int), join(Int)
  }

  struct Instruction {
    let operation: Operation
    let input: Int
  }

  static let shapes = [[2, 6], [12], [3, 4], [4, 3], [2, 2, 3]]
  private(set) var instructions: [Instruction] = []

  init(length: Int, _ random: inout RandomStream) {
    for number in 0..<length {
      let other = random.integer(below: number + 1)
      let operation: Operation =
        switch random.integer(below: 14) {
        case 0, 1: .linear
        case 2, 3: .activated
        case 4, 5: .norm
        case 6, 7, 8: .reshape(random.integer(below: RandomProgram.shapes.count))
        case 9: .passed
        case 10: .dropped
        case 11: random.uniform() < 0.5 ? .tanh : .parameter
        case 12: random.uniform() < 0.5 ? .add(other) : .join(other)
        default: .multiply(other)
        }
      // Mostly what was made last, so that chains grow.
      let input = random.uniform() < 0.6 ? number : random.integer(below: number + 1)
      instructions.append(Instruction(operation: operation, input: input))
    }
  }

  /// The last instruction that uses a variable; variable 0 is the input, n + 1 the result of instruction n.
  func lastUse(of variable: Int) -> Int {
    var last = variable - 1
    for (number, instruction) in instructions.enumerated() {
      let others: [Int] =
        switch instruction.operation {
        case .add(let other), .multiply(let other), .join(let other): [other]
        default: []
        }
      if instruction.input == variable || others.contains(variable) { last = number }
    }
    return last
  }

  /// What goes by another name, too: `dropout` that drops nothing returns its variable.
  func isPassedOn(_ variable: Int, infers: Bool) -> Bool {
    func passes(_ operation: Operation) -> Bool { operation == .passed || infers && operation == .dropped }
    return instructions.contains { passes($0.operation) && $0.input == variable }
      || variable > 0 && passes(instructions[variable - 1].operation)
  }
}

private final class ProgramRunner {
  let tape = Tape<Double>(backend: Backend(pool: singleThread))
  let input: Parameter<Double> = Parameter(randomTensor([2, 6], seed: 1))
  let extra: Parameter<Double> = Parameter(randomTensor([12], seed: 2))
  let weights: [Int: Parameter<Double>]

  init() {
    weights = [3, 4, 6, 12].reduce(into: [:]) { $0[$1] = Parameter(randomTensor([$1, $1], seed: UInt64($1))) }
    tape.seed = 7
    tape.randomStep = 1
  }

  var parameters: [Parameter<Double>] { [input, extra] + weights.sorted { $0.key < $1.key }.map(\.value) }

  struct Outcome {
    /// By variable; nil where it was given up.
    var values: [[Double]?]
    var gradients: [[Double]] = []
  }

  private func apply(
    _ operation: RandomProgram.Operation, _ x: Variable<Double>, _ all: [Variable<Double>]
  ) -> Variable<Double> {
    let weight = weights[x.shape[x.shape.count - 1]]!
    switch operation {
    case .linear: return x.linear(weight)
    case .activated: return x.linear(weight, activation: .tanh)
    case .norm: return x.layerNorm()
    case .reshape(let number): return reshape(x, RandomProgram.shapes[number])
    case .passed: return x.dropout(rate: 0)
    case .dropped: return x.dropout(rate: 0.3)
    case .tanh: return x.tanh()
    case .parameter: return x * reshape(tape.variable(extra), x.shape)
    case .add(let other): return x + reshape(all[other], x.shape)
    case .multiply(let other): return (x * reshape(all[other], x.shape)).tanh()
    case .join(let other):
      return Variable.concatenate([reshape(x, [12]), reshape(all[other], [12])], axis: 0).slice([6..<18])
    }
  }

  private func reshape(_ x: Variable<Double>, _ shape: [Int]) -> Variable<Double> {
    x.apply("reshape") { c, slot throws(Misuse) in try c.reshape(slot, to: Shape(shape)) }
  }

  /// One instruction, maybe by way of another variable over the same memory, the first of them given up.
  private func apply(
    _ operation: RandomProgram.Operation, _ x: Variable<Double>, _ all: [Variable<Double>], roundabout: Bool
  ) -> Variable<Double> {
    let y = apply(operation, x, all)
    guard roundabout, operation != .passed else { return y }
    let flat = reshape(y, [12])
    y.forget()
    return reshape(flat, y.shape)
  }

  /// Runs an instruction as it stands, in a scope, recomputed, or in place of its input, as `random` has it.
  private func step(
    _ number: Int, _ program: RandomProgram, _ all: [Variable<Double>], infers: Bool, _ random: inout RandomStream
  ) -> (result: Variable<Double>, replacesInput: Bool) {
    let (operation, input) = (program.instructions[number].operation, program.instructions[number].input)
    let x = all[input], roundabout = random.uniform() < 0.5
    var isUnary = true, keepsShape = true
    switch operation {
    case .add, .multiply: isUnary = false
    case .join: (isUnary, keepsShape) = (false, x.shape == [12])
    case .reshape(let shape): keepsShape = RandomProgram.shapes[shape] == x.shape
    default: break
    }
    switch random.integer(below: 4) {
    case 0 where isUnary:
      let part = Recomputation<Double> { self.apply(operation, $0, all, roundabout: roundabout) }
      return (part(x), false)
    case 1:
      return (tape.scope { self.apply(operation, x, all, roundabout: roundabout) }, false)
    case 2 where infers && keepsShape && operation != .passed && operation != .dropped
      && program.lastUse(of: input) == number && !program.isPassedOn(input, infers: true):
      return (x.updated { self.apply(operation, $0, all, roundabout: roundabout) }, true)
    default:
      return (apply(operation, x, all), false)
    }
  }

  /// Runs a program, without recording where `infers`, with memory given up where there is a `seed`.
  func run(_ program: RandomProgram, infers: Bool, seed: UInt64?) -> Outcome {
    tape.step { tape in
      infers ? tape.inference { walk(program, infers: true, seed: seed) } : walk(program, infers: false, seed: seed)
    }
  }

  private func walk(_ program: RandomProgram, infers: Bool, seed: UInt64?) -> Outcome {
    var all = [tape.variable(input) * 1], isGone = [false]
    var random = RandomStream(seed: seed ?? 0, purpose: .initialization)
    for number in program.instructions.indices {
      isGone.append(false)
      guard seed != nil else {
        all.append(apply(program.instructions[number].operation, all[program.instructions[number].input], all))
        continue
      }
      let (y, replaces) = step(number, program, all, infers: infers, &random)
      all.append(y)
      if replaces { isGone[program.instructions[number].input] = true }
      if infers { continue }
      // What a backward needs is not overwritten by who only looks at it.
      if random.uniform() < 0.3 { tape.inference { _ = y.updated { $0 * 0 } } }
      for variable in all.indices where program.lastUse(of: variable) <= number && !isGone[variable] {
        // A handle that goes by two names may be used by the other one still.
        guard !program.isPassedOn(variable, infers: false), random.uniform() < 0.4 else { continue }
        guard variable < number + 1 || number + 1 < program.instructions.count else { continue }
        all[variable].forget()
        isGone[variable] = true
      }
    }
    var outcome = Outcome(values: zip(all, isGone).map { $1 ? nil : $0.array })
    guard !infers else { return outcome }
    let last = isGone[all.count - 1] ? all[0] : all[all.count - 1]
    (last * last).sum().backward()
    outcome.gradients = parameters.map(\.gradient.elements)
    return outcome
  }
}

@Suite("Variables that share memory")
struct SharedMemoryTests {
  @Test(
    "random programs compute the same with memory given up, scopes and recomputation anywhere", arguments: 0..<12)
  func programs(block: Int) {
    for number in 0..<25 {
      var random = RandomStream(seed: UInt64(block * 1000 + number), purpose: .evaluation)
      let program = RandomProgram(length: 3 + random.integer(below: 10), &random), runner = ProgramRunner()
      for infers in [false, true] {
        let plain = runner.run(program, infers: infers, seed: nil)
        for seed in 1...3 {
          let other = runner.run(program, infers: infers, seed: UInt64(number * 10 + seed))
          for (a, b) in zip(plain.values, other.values) where b != nil { #expect(a == b, "\(program)") }
          for (a, b) in zip(plain.gradients, other.gradients) {
            let size = a.reduce(1e-300) { max($0, abs($1)) }
            #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-12 * size }, "\(program)")
          }
        }
      }
    }
  }

  private let tape = Tape<Double>(backend: Backend(pool: singleThread))
  private let weight = Parameter<Double>([[1, 0, 2], [0, 1, 0], [1, 1, 1]])

  @Test("a reshape keeps the memory of what was given up", arguments: [false, true])
  func reshape(forgets: Bool) {
    let values: [Double] = tape.step { tape in
      let x = tape.input([[1, 2, 4], [-1, 0.5, 3]]), hidden = x.linear(weight, activation: .tanh)
      let flat = hidden.reshape([6])
      if forgets { hidden.forget() }
      _ = x * 100
      (flat * flat).sum().backward()
      return flat.array
    }
    let z = [9, 2, 7, 5, 0.5, 2.5], x = [[1, 2, 4], [-1, 0.5, 3]]
    for (value, z) in zip(values, z) { #expect(abs(value - tanh(z)) < 1e-15) }
    for row in 0..<3 {
      for column in 0..<3 {
        let expected = (0..<2).reduce(0.0) { sum, token in
          let y = tanh(z[token * 3 + row])
          return sum + 2 * y * (1 - y * y) * x[token][column]
        }
        #expect(abs(weight.gradient[row, column] - expected) < 1e-14)
      }
    }
  }

  @Test("dropout that drops nothing leaves both names to be used", arguments: [0, 0.25])
  func dropout(rate: Double) {
    tape.step { tape in
      let hidden = tape.input([[1, 2, 4]]).linear(weight, activation: .tanh), dropped = hidden.dropout(rate: rate)
      hidden.forget()
      #expect(dropped.array.count == 3)
    }
  }

  @Test("two values given up, one made from the other, are both there for what uses both")
  func nested() {
    func gradients(_ forgets: Bool) -> [Double] {
      tape.step { tape in
        let a = tape.input([[1, 2, 4], [-1, 0.5, 3]]).linear(weight, activation: .tanh), b = a.layerNorm()
        let y = a * b
        if forgets {
          a.forget()
          b.forget()
        }
        (y * y).sum().backward()
      }
      return weight.gradient.elements
    }
    #expect(gradients(false) == gradients(true))
  }

  @Test("updated leaves a parameter alone, and a variable that a reshape shows")
  func updated() {
    let p = Parameter<Double>([1, 2, 3, 4])
    tape.step { tape in
      tape.inference {
        let seen = tape.variable(p).reshape([2, 2]), changed = seen.updated { $0 * 10 }
        #expect(changed.array == [10, 20, 30, 40] && seen.array == [1, 2, 3, 4])
        // Closures stand outside of the macro: Swift 6.3 confuses those inside with others of the function.
        let more = tape.variable(p).updated { $0 + 1 }
        #expect(more.array == [2, 3, 4, 5])
        let x = tape.input([1, 2]), flat = x.reshape([1, 2]), next = x.updated { $0 * 2 }
        #expect(next.array == [2, 4] && flat.array == [1, 2] && x.array == [1, 2])
        // A view that has ended does not count.
        let y = tape.input([5, 6]), used = tape.statistics.used
        let same = y.updated { $0.reshape([2, 1]).reshape([2]) }
        #expect(same.array == [5, 6])
        let last = same.updated { $0 * 2 }
        #expect(last.array == [10, 12])
        #expect(tape.statistics.used == used)
      }
    }
    #expect(p.array == [1, 2, 3, 4])
  }

  @Test("updated may return what it was given")
  func unchanged() {
    tape.step { tape in
      tape.inference {
        let x = tape.input([[1, 2, 3], [4, 5, 6]]), other = tape.input([[0, 0, 0], [1, 1, 1]])
        let same = x.updated { $0 }
        #expect(same.array == [1, 2, 3, 4, 5, 6])
        let copy = same.updated { _ in other }
        #expect(copy.array == [0, 0, 0, 1, 1, 1] && other.array == [0, 0, 0, 1, 1, 1])
      }
      let recorded = tape.input([1]).updated { $0 }
      #expect(recorded.array == [1])
    }
  }

  @Test("inference inside a step does not overwrite what backward reads")
  func recorded() {
    let p = Parameter<Double>([1, 2])
    tape.step { tape in
      let c = tape.input([3, 5]), y = tape.variable(p) * c
      tape.inference {
        let none = c.updated { $0 * 0 }, neither = y.updated { $0 * 0 }
        #expect(none.array == [0, 0] && neither.array == [0, 0])
      }
      (y * y).sum().backward()
    }
    #expect(p.gradient == [18, 100])
  }
}
