import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import Testing

@testable import AutogradTraining

@Suite("Memory planner") struct MemoryPlannerTests {
  fileprivate static func planner(
    layers: Int = 12, batch: Int = 12, block: Int = 64, accumulation: Int = 1, recomputing: Bool = false,
    channels: Int = 64
  ) throws -> MemoryPlanner {
    var model = Decoder<Float>(
      try DecoderConfiguration(
        vocabularySize: 50, contextLength: block, layerCount: layers, headCount: 4, channelCount: channels))
    model.recomputesBlocks = recomputing
    var training = TrainingConfiguration()
    training.accumulation = accumulation
    return MemoryPlanner(
      try Trainer(
        model: model, data: .sizes(batchSize: batch, blockSize: block), configuration: training,
        backend: Backend(pool: singleThread)), isNew: true)
  }

  private func limit(_ remaining: Int) -> MemoryLimit {
    MemoryLimit(kind: .available, bytes: remaining, remaining: remaining)
  }

  @Test("a model larger than any machine is planned without taking memory")
  func huge() throws {
    let before = try #require(ProcessMemory.current()).resident
    let plan = try Self.planner(layers: 80, batch: 8, block: 2048, channels: 8192).plan
    #expect(plan.parameters > 250_000_000_000 && plan.optimizerState == 2 * plan.gradients)
    #expect(plan.gradients == plan.parameters)
    #expect(try #require(ProcessMemory.current()).resident - before < 64 << 20)
    let stages = plan.stages.reduce(0) { $0 + $1.bytes }
    #expect(plan.stages.count == 83 && stages + plan.backward == plan.arena && plan.backward > 0)
  }

  @Test("recomputation leaves each block its input")
  func recomputing() throws {
    let plain = try Self.planner().plan, again = try Self.planner(recomputing: true).plan
    #expect(again.arena * 2 < plain.arena)
    let blocks = again.stages.filter { $0.name.hasPrefix("block") }
    #expect(blocks.allSatisfy { $0.bytes == 12 * 64 * 64 * 4 })
    // Not the totals: both are what this process took for other tests, where that was more.
    #expect(again.newMemory < plain.newMemory && again.parameters == plain.parameters)
  }

  @Test("what is too large names the limit and the largest sizes, and those fit while one more does not")
  func largest() throws {
    let asked = try Self.planner(), room = asked.plan.newMemory * 2 / 3
    let error = #expect(throws: TrainingError.self) { try asked.requireMemory([limit(1 << 40), limit(room)]) }
    guard case .tooLarge(let shortage)? = error else { return }
    #expect(shortage.limit == limit(room))
    let batch = try #require(shortage.largestBatch), context = try #require(shortage.largestContext)
    for (fits, fails) in [
      (try Self.planner(batch: batch), try Self.planner(batch: batch + 1)),
      (try Self.planner(block: context), try Self.planner(block: context + 1)),
    ] {
      #expect(fits.plan.newMemory <= room && fails.plan.newMemory > room)
    }
    #expect(shortage.recomputingFits)
    let text = "\(shortage)"
    #expect(text.hasPrefix("not enough memory: training needs "))
    #expect(text.contains("but the machine's available memory of "))
    #expect(text.hasSuffix("fit: recomputing the blocks, or a batch size of \(batch), or a block size of \(context)"))
    try asked.requireMemory([limit(1 << 40)])
  }

  @Test("nothing fits next to nothing")
  func nothing() throws {
    let asked = try Self.planner()
    let error = #expect(throws: TrainingError.self) { try asked.requireMemory([limit(1000)]) }
    guard case .tooLarge(let shortage)? = error else { return }
    #expect(shortage.largestBatch == nil && shortage.largestContext == nil && !shortage.recomputingFits)
    #expect("\(shortage)".hasSuffix("; make the model smaller"))
    #expect(asked.fitting(1000) == nil)
  }

  @Test("fitting keeps the effective batch: first smaller batches, then recomputation, then smaller batches still")
  func fitting() async {
    // In a process of its own: what this one took at its peak would count.
    await #expect(processExitsWith: .success) {
      let asked = try MemoryPlannerTests.planner(batch: 32, block: 64, accumulation: 3)
      var last = asked.plan
      #expect(asked.fitting(last.total) == last)
      var seen: [(Int, Bool)] = []
      while let plan = asked.fitting(last.total - 1) {
        #expect(plan.batchSize * plan.accumulation == 96 && plan.total < last.total)
        seen.append((plan.batchSize, plan.recomputesBlocks))
        last = plan
      }
      // 4 windows are 256 tokens.
      #expect(seen.first! == (24, false))
      #expect(seen.last! == (1, true))
      #expect(seen.firstIndex { $0.1 }! > seen.firstIndex { $0 == (4, false) }!)
      let small = seen.firstIndex { !$0.1 && $0.0 < 4 } ?? seen.count
      #expect(seen.firstIndex { $0.1 }! < small)
    }
  }
}
