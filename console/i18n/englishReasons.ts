/**
 * Reasons that stay in English: the API's own sentence is shown. Those who meet them run the cloud or write programs, or the sentence
 * is what another program said.
 */
export const englishReasons = [
  // The gateway and the door of the API.
  ...[
    "gateway_configuration",
    "gateway_start",
    "gateway_reload",
    "gateway_refused",
    "idempotency_key_reused",
    "websocket_required",
  ],
  // Engines, hosts and nodes, for whoever looks after the machines.
  ...["engine_unknown", "engine_too_old", "engine_too_new", "engine_not_trusted", "engine_foreign", "engine_different"],
  ...["engine_addresses_taken", "engine_limit_too_high", "engine_not_clustered", "program_missing", "folder_closed", "firewall"],
  ...[
    "not_root",
    "tool_missing",
    "mirror_not_trusted",
    "architecture",
    "backup_space",
    "pool_missing",
    "pool_range",
    "ids_used_up",
  ],
  ...["network_not_joined", "no_interface", "no_such_member", "no_other_member", "is_there", "no_such_action"],
  ...["difference_gone", "node_image", "node_architecture", "node_registry", "node_registry_trust", "node_registry_unreachable"],
  ...["node_full", "node_network", "node_home", "node_has_volumes", "node_gone", "nodes_unsupported", "swarm_foreign"],
  ...["address_needed"],
  // What only programs that speak S3 meet.
  ...["checksum_type", "customer_key_unexpected", "customer_key_wrong", "invalid_part", "invalid_part_order", "part_too_small"],
  ...["part_number"],
  // The words of PostgreSQL.
  "sql_error",
];
