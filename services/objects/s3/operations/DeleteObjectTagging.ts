import type { S3Operation } from "../operation.ts";
import { replaceTags } from "./PutObjectTagging.ts";

export const DeleteObjectTagging: S3Operation = (context) => replaceTags(context, {}, 204);
