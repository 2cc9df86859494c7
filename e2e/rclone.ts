/** The environment in which rclone knows a cloud's storage as `k:`, and nothing else. */
export const rcloneEnvironment = (
  endpoint: string,
  key: { accessKeyId: string; secretAccessKey: string },
): Record<string, string> => ({
  RCLONE_CONFIG: "/nonexistent",
  RCLONE_CONFIG_K_TYPE: "s3",
  RCLONE_CONFIG_K_PROVIDER: "Other",
  RCLONE_CONFIG_K_ACCESS_KEY_ID: key.accessKeyId,
  RCLONE_CONFIG_K_SECRET_ACCESS_KEY: key.secretAccessKey,
  RCLONE_CONFIG_K_ENDPOINT: endpoint,
  RCLONE_CONFIG_K_REGION: "us-east-1",
});
