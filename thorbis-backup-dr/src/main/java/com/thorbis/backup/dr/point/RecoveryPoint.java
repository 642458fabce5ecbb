package com.thorbis.backup.dr.point;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One moment of several sources, by one id: each has a backup of its own, servers first, so that a
 * file that a row speaks of is there when the files are read.
 *
 * @param id its own backup, which holds those of its members
 * @param source the source of type {@code recovery-point}
 * @param members in the order in which they were taken
 */
public record RecoveryPoint(BackupId id, String source, List<Member> members) {
  private static final String PREFIX = "recovery-point.";
  private static final String MEMBERS = PREFIX + "members";

  /** Copies the list. */
  public RecoveryPoint {
    members = List.copyOf(members);
  }

  /**
   * A part of it.
   *
   * @param source whose it is
   * @param backup the backup, under the name it had when the point was made
   * @param type what that backup read
   * @param stoppedAt when it ended, by the server's clock where there is one
   * @param position where the server's log is consistent; empty if it has no server
   * @param timeline of that position
   * @param whole whether nothing was missing of it
   * @param facts what its engine said, such as the commit of an application; none of a server
   */
  public record Member(
      String source,
      BackupId backup,
      BackupType type,
      Instant stoppedAt,
      Optional<Lsn> position,
      Optional<Timeline> timeline,
      boolean whole,
      Map<String, String> facts) {
    /** Copies the map. */
    public Member {
      facts = Map.copyOf(facts);
    }

    static Member of(BackupDescriptor backup, Map<String, String> facts) {
      boolean server = backup.server().isPresent();
      return new Member(
          backup.source(),
          backup.id(),
          backup.type(),
          backup.stoppedAt(),
          server ? Optional.of(backup.stopLsn()) : Optional.empty(),
          server ? Optional.of(backup.timeline()) : Optional.empty(),
          !backup.partial() && backup.warnings().isEmpty(),
          facts);
    }
  }

  /** The member of this source. */
  public Optional<Member> member(String name) {
    return members.stream().filter(one -> one.source().equals(name)).findFirst();
  }

  static Map<String, String> attributes(List<Member> members) {
    Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put(MEMBERS, String.join(",", members.stream().map(Member::source).toList()));
    for (Member member : members) {
      String own = PREFIX + member.source() + ".";
      attributes.put(own + "backup", member.backup().value());
      attributes.put(own + "type", member.type().label());
      attributes.put(own + "stopped-at", member.stoppedAt().toString());
      member.position().ifPresent(value -> attributes.put(own + "position", value.toString()));
      member
          .timeline()
          .ifPresent(
              value -> attributes.put(own + "timeline", Integer.toUnsignedString(value.number())));
      attributes.put(own + "whole", Boolean.toString(member.whole()));
      member.facts().forEach((name, value) -> attributes.put(own + "facts." + name, value));
    }
    return attributes;
  }

  static RecoveryPoint read(BackupDescriptor backup, BackupFacts facts) throws RepositoryException {
    Map<String, String> said = facts.attributes();
    List<Member> members = new ArrayList<>();
    try {
      for (String source : said.getOrDefault(MEMBERS, "").split(",")) {
        members.add(read(source, said));
      }
    } catch (IllegalArgumentException | DateTimeException e) {
      throw RepositoryException.damaged(
          "Backup " + backup.id(), "does not say what its recovery point consists of", e);
    }
    return new RecoveryPoint(backup.id(), backup.source(), members);
  }

  private static Member read(String source, Map<String, String> said) {
    String own = PREFIX + source + ".";
    Map<String, String> facts = new LinkedHashMap<>();
    said.forEach(
        (name, value) -> {
          if (name.startsWith(own + "facts.")) {
            facts.put(name.substring((own + "facts.").length()), value);
          }
        });
    return new Member(
        source,
        new BackupId(said.getOrDefault(own + "backup", "")),
        type(said.getOrDefault(own + "type", "")),
        Instant.parse(said.getOrDefault(own + "stopped-at", "")),
        Optional.ofNullable(said.get(own + "position")).map(Lsn::parse),
        Optional.ofNullable(said.get(own + "timeline"))
            .map(value -> new Timeline(Integer.parseUnsignedInt(value))),
        Boolean.parseBoolean(said.get(own + "whole")),
        facts);
  }

  private static BackupType type(String label) {
    return BackupType.ofLabel(label)
        .orElseThrow(() -> new IllegalArgumentException("type " + label));
  }
}
