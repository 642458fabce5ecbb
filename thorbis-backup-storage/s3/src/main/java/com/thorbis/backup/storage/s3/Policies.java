package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.StoreRole;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Policies of AWS IAM to attach to what assumes a role (Amazon S3, "Actions, resources, and
 * condition keys" and "Enforce conditional writes"). What is denied stays denied whatever else is
 * allowed.
 */
final class Policies {
  private static final List<String> NEVER =
      List.of(
          "s3:BypassGovernanceRetention",
          "s3:DeleteObjectVersion",
          "s3:PutObjectAcl",
          "s3:PutObjectLegalHold",
          "s3:PutLifecycleConfiguration",
          "s3:PutBucketObjectLockConfiguration",
          "s3:PutBucketVersioning",
          "s3:PutBucketPolicy",
          "s3:DeleteBucketPolicy",
          "s3:DeleteBucket");

  private final String bucket;
  private final String folder;
  private final List<String> statements = new ArrayList<>();

  private Policies(String bucket, String prefix) {
    this.bucket = "arn:aws:s3:::" + bucket;
    this.folder = this.bucket + "/" + (prefix.isEmpty() ? "" : prefix + "/");
  }

  /** What one role is given. */
  static String of(String bucket, String prefix, StoreRole role) {
    Policies policies = new Policies(bucket, prefix);
    if (role == StoreRole.ADMIN) {
      policies.administer();
    } else {
      if (role.reads()) {
        policies.list(prefix);
      }
      policies.work(role);
    }
    return """
        {
          "Version": "2012-10-17",
          "Statement": [
        %s
          ]
        }
        """
        .formatted(String.join(",\n", policies.statements));
  }

  private void administer() {
    add(
        "SetUp",
        "Allow",
        List.of(
            "s3:GetLifecycleConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:GetBucketObjectLockConfiguration",
            "s3:PutBucketObjectLockConfiguration",
            "s3:GetBucketVersioning",
            "s3:PutBucketVersioning",
            "s3:GetBucketPolicy",
            "s3:PutBucketPolicy"),
        List.of(bucket),
        "");
    add("NeverPlain", "Deny", List.of("s3:*"), both(), plain());
  }

  private void list(String prefix) {
    add(
        "List",
        "Allow",
        List.of("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
        List.of(bucket),
        prefix.isEmpty() ? "" : "\"StringLike\": {\"s3:prefix\": [\"" + prefix + "/*\"]}");
    add("Look", "Allow", List.of("s3:GetBucketLocation"), List.of(bucket), "");
  }

  private void work(StoreRole role) {
    if (role.reads()) {
      add(
          "Read",
          "Allow",
          List.of(
              "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:RestoreObject"),
          List.of(folder + "*"),
          "");
    }
    if (role.creates()) {
      List<String> actions =
          new ArrayList<>(
              List.of("s3:PutObject", "s3:PutObjectRetention", "s3:AbortMultipartUpload"));
      if (role.reads()) {
        actions.add("s3:ListMultipartUploadParts");
      }
      add("Create", "Allow", actions, List.of(folder + role.createsBelow() + "*"), "");
      add(
          "NeverOverwrite",
          "Deny",
          List.of("s3:PutObject"),
          List.of(folder + "*"),
          "\"Null\": {\"s3:if-none-match\": \"true\"},"
              + " \"Bool\": {\"s3:ObjectCreationOperation\": \"true\"}");
      add(
          "NeverKeysOfACaller",
          "Deny",
          List.of("s3:PutObject"),
          List.of(folder + "*"),
          "\"Null\": {\"s3:x-amz-server-side-encryption-customer-algorithm\": \"false\"}");
    }
    if (!role.removes().isEmpty()) {
      add(
          "Remove",
          "Allow",
          List.of("s3:DeleteObject"),
          role.removes().stream().map(prefix -> folder + prefix + "*").toList(),
          "");
    }
    add("Never", "Deny", NEVER, both(), "");
    add("NeverPlain", "Deny", List.of("s3:*"), both(), plain());
  }

  private List<String> both() {
    return List.of(bucket, bucket + "/*");
  }

  private static String plain() {
    return "\"Bool\": {\"aws:SecureTransport\": \"false\"}";
  }

  private void add(
      String sid, String effect, List<String> actions, List<String> resources, String condition) {
    statements.add(
        """
            {
              "Sid": "%s",
              "Effect": "%s",
              "Action": [%s],
              "Resource": [%s]%s
            }"""
            .formatted(
                sid,
                effect,
                quoted(actions),
                quoted(resources),
                condition.isEmpty() ? "" : ",\n  \"Condition\": {" + condition + "}")
            .indent(4)
            .stripTrailing());
  }

  private static String quoted(List<String> words) {
    return words.stream().map(word -> '"' + word + '"').collect(Collectors.joining(", "));
  }
}
