package com.thorbis.backup.storage.azure;

import com.thorbis.backup.spi.storage.StoreRole;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Custom roles of Azure with the condition to assign each under (Azure Storage, "Actions and
 * attributes for Azure role assignment conditions"). No role there can create and not replace: what
 * must not be replaced needs versions, or immutability, in the account.
 */
final class Policies {
  private static final String BLOBS =
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/";
  private static final String CONTAINERS =
      "Microsoft.Storage/storageAccounts/blobServices/containers/";

  private static final String NAME =
      "Microsoft.Storage/storageAccounts/blobServices/containers:name";
  private static final String PATH =
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path";

  private Policies() {}

  /** What one role is given. */
  static String of(String container, String prefix, StoreRole role) {
    if (role == StoreRole.ADMIN) {
      return text(
          role,
          List.of(
              CONTAINERS + "read",
              CONTAINERS + "write",
              CONTAINERS + "immutabilityPolicies/*",
              "Microsoft.Storage/storageAccounts/managementPolicies/*"),
          List.of(),
          "");
    }
    String folder = prefix.isEmpty() ? "" : prefix + "/";
    if (!role.reads()) {
      List<String> below = List.of(folder + role.createsBelow());
      return text(
          role,
          List.of(),
          List.of(BLOBS + "write", BLOBS + "add/action"),
          within(container, "write", below) + " AND " + within(container, "add/action", below));
    }
    return role.creates()
        ? text(
            role,
            List.of(CONTAINERS + "read"),
            List.of(BLOBS + "read", BLOBS + "write", BLOBS + "add/action", BLOBS + "delete"),
            within(container, "read", List.of(folder))
                + " AND "
                + within(container, "write", List.of(folder))
                + " AND "
                + within(container, "add/action", List.of(folder))
                + " AND "
                + within(
                    container,
                    "delete",
                    role.removes().stream().map(each -> folder + each).toList()))
        : text(
            role,
            List.of(CONTAINERS + "read"),
            List.of(BLOBS + "read"),
            within(container, "read", List.of(folder)));
  }

  /** An action that is not this one, or whose blob lies below one of these. */
  private static String within(String container, String action, List<String> folders) {
    return "((!(ActionMatches{'"
        + BLOBS
        + action
        + "'})) OR (@Resource["
        + NAME
        + "] StringEquals '"
        + container
        + "' AND ("
        + folders.stream()
            .map(folder -> "@Resource[" + PATH + "] StringLike '" + folder + "*'")
            .collect(Collectors.joining(" OR "))
        + ")))";
  }

  private static String text(
      StoreRole role, List<String> actions, List<String> dataActions, String condition) {
    return """
        {
          "Name": "thorbis %s",
          "IsCustom": true,
          "Description": "What thorbis needs as %s",
          "Actions": [%s],
          "NotActions": [],
          "DataActions": [%s],
          "NotDataActions": ["%simmutableStorage/runAsSuperUser/action"],
          "AssignableScopes": ["/subscriptions/SUBSCRIPTION"],
          "condition": "%s",
          "conditionVersion": "2.0"
        }
        """
        .formatted(
            role.label(), role.label(), quoted(actions), quoted(dataActions), BLOBS, condition);
  }

  private static String quoted(List<String> words) {
    return words.stream().map(word -> '"' + word + '"').collect(Collectors.joining(", "));
  }
}
