// Whether an answer is to be relied on: the rule of digits_edge.runtime's contract, in float32 as there.

/**
 * probabilities: Float32Array of C, 2 or more. several: whether other figures stand beside the one that was read.
 * Gives the best class, its score, and why it is not accepted: "several", "not like training data", "unsure" or null.
 */
function verdict(probabilities, several, thresholds) {
  let best = 0;
  for (let c = 1; c < probabilities.length; c++) if (probabilities[c] > probabilities[best]) best = c;
  let next = best === 0 ? 1 : 0;
  for (let c = 0; c < probabilities.length; c++) if (c !== best && probabilities[c] > probabilities[next]) next = c;
  const score = probabilities[best];
  const familiar = Math.fround(score + probabilities[next]) >= Math.fround(thresholds.min_familiarity);
  const sure = score >= Math.fround(thresholds.min_score);
  const reason = several ? "several" : !familiar ? "not like training data" : !sure ? "unsure" : null;
  return { best, score, reason };
}
