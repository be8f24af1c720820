/**
 * Every attribute name of exported insights, each once, under its stability in the semantic conventions
 * 1.44. Most of what security needs is in development there: a name that changes is changed here.
 */

export const schemaUrl = "https://opentelemetry.io/schemas/1.44.0";

/** Names that the conventions will not change. */
export const stableNames = {
  serviceName: "service.name",
  serviceVersion: "service.version",
  serviceInstanceId: "service.instance.id",
  clusterName: "k8s.cluster.name",
  namespaceName: "k8s.namespace.name",
  podName: "k8s.pod.name",
  containerName: "k8s.container.name",
  deploymentName: "k8s.deployment.name",
  statefulSetName: "k8s.statefulset.name",
  daemonSetName: "k8s.daemonset.name",
  replicaSetName: "k8s.replicaset.name",
} as const;

/** Release candidates: they change only if somebody finds a fault. */
export const candidateNames = {
  processPid: "process.pid",
  processExecutablePath: "process.executable.path",
  /** The effective one. */
  processUserId: "process.user.id",
} as const;

/** In development: they may be renamed. */
export const developmentNames = {
  jobName: "k8s.job.name",
  cronJobName: "k8s.cronjob.name",
  peerName: "service.peer.name",
  peerNamespace: "service.peer.namespace",
  sourceAddress: "source.address",
  destinationAddress: "destination.address",
  destinationPort: "destination.port",
  recordUid: "log.record.uid",
  ruleUuid: "security_rule.uuid",
  ruleName: "security_rule.name",
  ruleCategory: "security_rule.category",
  ruleDescription: "security_rule.description",
  ruleReference: "security_rule.reference",
  ruleVersion: "security_rule.version",
  rulesetName: "security_rule.ruleset.name",
} as const;

/** Ours, for what the conventions have no name for: as stable as our API. */
export const ownNames = {
  ruleStatus: "mesh_insights.rule.status",
  insightId: "mesh_insights.insight.id",
  insightKind: "mesh_insights.insight.kind",
  insightState: "mesh_insights.insight.state",
  insightPreviousState: "mesh_insights.insight.previous_state",
  insightReason: "mesh_insights.insight.reason",
  insightSeverity: "mesh_insights.insight.severity",
  insightConfidence: "mesh_insights.insight.confidence",
  insightFirstSeen: "mesh_insights.insight.first_seen",
  insightLastSeen: "mesh_insights.insight.last_seen",
  insightOccurrences: "mesh_insights.insight.occurrences",
  insightReopenCount: "mesh_insights.insight.reopen_count",
  insightFlapping: "mesh_insights.insight.flapping",
  insightAcknowledged: "mesh_insights.insight.acknowledged",
  insightAcknowledgedBy: "mesh_insights.insight.acknowledged_by",
  insightWaiverId: "mesh_insights.insight.waiver.id",
  insightTags: "mesh_insights.insight.tags",
  insightAttackVersion: "mesh_insights.insight.attack.version",
  insightTechniqueIds: "mesh_insights.insight.attack.technique.id",
  evidenceTexts: "mesh_insights.evidence.texts",
} as const;

/** Followed by the name of the evidence's field. */
export const evidencePrefix = "mesh_insights.evidence.";

export const insightEventName = "mesh_insights.insight";
export const insightScopeName = "mesh-insights/rules";
