//! Judging rows and writing the new ones: from batches in memory to files that wait for their commit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, Date32Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch, interleave_record_batch};
use arrow::datatypes::{Date32Type, Int32Type};
use futures::TryStreamExt;
use trailhound_ingest::ParkedRecord;
use trailhound_ingest::schema::schema;

use super::Store;
use crate::clock::now_micros;
use crate::compare::differing;
use crate::datafile::{self, EVENT_DATE, FileMeta, Wanted, ids_and_hashes};
use crate::dedup::{Candidate, Hour, Key, Verdict, candidates, hour_of, key};
use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::pending::{Rows, SlotId, Written};
use crate::table::CommitLog;

/// Differing copies that wait to be told of; the ledger has them all.
const DIFFERING_TOLD_MAX: usize = 1_000;

/// A row among the pending batches: batch and row in it.
type Place = (usize, usize);

impl Store {
    /// Judges the rows in memory and writes the new ones, a file a day, sorted by time. With `keep` the rows stay in
    /// memory too, for the commit that follows.
    pub(super) async fn write_out(&mut self, keep: bool) -> Result<()> {
        let mut rows = std::mem::take(&mut self.pending.rows);
        self.pending.bytes = 0;
        if rows.is_empty() {
            return Ok(());
        }
        let mut slots: Vec<Vec<SlotId>> = rows.iter().map(slots_of).collect();
        for (rows, slots) in rows.iter_mut().zip(&mut slots) {
            self.leave_expired(&mut rows.batch, slots)?;
        }
        let new = self.judge(&rows, &slots).await?;
        for (_, places) in by_day_and_time(&rows, new)? {
            let batches: Vec<&RecordBatch> = rows.iter().map(|r| &r.batch).collect();
            let file = interleave_record_batch(&batches, &places).map_err(StoreError::rows("sort"))?;
            let slots: Vec<SlotId> = places.iter().map(|(batch, row)| slots[*batch][*row]).collect();
            for slot in &slots {
                self.pending.slots[*slot as usize].kept += 1;
            }
            self.write_file(file, slots, keep).await?;
        }
        Ok(())
    }

    /// Leaves out rows of days that are gone: whether they were kept once is not known any more.
    fn leave_expired(&mut self, rows: &mut RecordBatch, slots: &mut Vec<SlotId>) -> Result<()> {
        let expired = self.table.expired();
        if expired.before.is_none() {
            return Ok(());
        }
        let stays: BooleanArray = days_of(rows)?.values().iter().map(|day| Some(!expired.has(*day))).collect();
        if stays.false_count() == 0 {
            return Ok(());
        }
        for slot in slots.iter().zip(stays.values().iter()).filter(|(_, stays)| !stays).map(|(slot, _)| slot) {
            self.pending.slots[*slot as usize].expired += 1;
        }
        let mut place = stays.values().iter();
        slots.retain(|_| place.next().unwrap_or(true));
        *rows = filter_record_batch(rows, &stays).map_err(StoreError::rows("filter"))?;
        Ok(())
    }

    async fn write_file(&mut self, rows: RecordBatch, slots: Vec<SlotId>, keep: bool) -> Result<()> {
        let add = datafile::write(&self.table.store(), &rows, now_micros() / 1_000).await?;
        let meta = FileMeta::of(&add);
        self.table.announce(meta.clone());
        self.pending.files.push(Written { add, meta, slots, rows: keep.then_some(rows) });
        Ok(())
    }

    /// The places of the rows that are new. Copies are counted by what is missing; differing ones are parked.
    async fn judge(&mut self, rows: &[Rows], slots: &[Vec<SlotId>]) -> Result<Vec<Place>> {
        let mut asked: Vec<Candidate> = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        for (batch, rows) in rows.iter().enumerate() {
            asked.extend(candidates(&rows.batch)?);
            places.extend((0..rows.batch.num_rows()).map(|row| (batch, row)));
        }
        let id_of = |at: usize| {
            let (batch, row) = places[at];
            ids_and_hashes(&rows[batch].batch).map_or_else(|_| String::new(), |(ids, _)| ids.value(row).to_string())
        };
        let verdicts = self.dedup.judge(&asked, &id_of, &self.table).await?;
        let mut first: HashMap<Key, Place> = HashMap::new();
        let mut suspects: BTreeMap<Hour, Vec<usize>> = BTreeMap::new();
        for (at, verdict) in verdicts.iter().enumerate() {
            if *verdict == Verdict::Suspect {
                suspects.entry(asked[at].hour).or_default().push(at);
            }
        }
        if !suspects.is_empty() {
            let new = verdicts.iter().enumerate().filter(|(_, v)| **v == Verdict::New);
            first.extend(new.map(|(at, _)| (asked[at].key, places[at])));
        }
        for (hour, at) in suspects {
            let suspects = at.iter().map(|&at| (asked[at].key, places[at]));
            self.compare(rows, slots, hour, suspects, &first).await?;
        }
        let new = verdicts.iter().zip(&places).filter(|(v, _)| **v == Verdict::New).map(|(_, place)| *place);
        Ok(new.collect())
    }

    /// Compares suspects with the rows that were kept under their ids, in memory or in the table: one that says the
    /// same is a copy, one that does not is parked.
    async fn compare(
        &mut self,
        rows: &[Rows],
        slots: &[Vec<SlotId>],
        hour: Hour,
        suspects: impl Iterator<Item = (Key, Place)>,
        first: &HashMap<Key, Place>,
    ) -> Result<()> {
        let mut in_table: HashMap<Key, Vec<Place>> = HashMap::new();
        for (id, (batch, row)) in suspects {
            if let Some(&(kept, kept_row)) = first.get(&id) {
                let columns = differing(&rows[batch].batch, row, &rows[kept].batch, kept_row);
                self.settle(slots[batch][row], &rows[batch].batch, row, &columns)?;
            } else {
                in_table.entry(id).or_default().push((batch, row));
            }
        }
        let mut ids = HashSet::new();
        for (batch, row) in in_table.values().flatten() {
            ids.insert(ids_and_hashes(&rows[*batch].batch)?.0.value(*row).to_string());
        }
        let ids = Arc::new(ids);
        for file in self.table.files_of_hour(hour) {
            if in_table.is_empty() {
                break;
            }
            let wanted = Wanted::Ids(hour, ids.clone());
            let mut found = datafile::read(&self.table.store(), &file, &[], wanted).await?;
            while let Some(kept) = found.try_next().await? {
                for kept_row in 0..kept.num_rows() {
                    let id = key(ids_and_hashes(&kept)?.0.value(kept_row));
                    for (batch, row) in in_table.remove(&id).unwrap_or_default() {
                        let columns = differing(&rows[batch].batch, row, &kept, kept_row);
                        self.settle(slots[batch][row], &rows[batch].batch, row, &columns)?;
                    }
                }
            }
        }
        // Known by its 128 bits but not to be found: another id with the same bits. It is not dropped.
        for (batch, row) in in_table.into_values().flatten() {
            self.settle(slots[batch][row], &rows[batch].batch, row, &["event_id"])?;
        }
        Ok(())
    }

    /// Parks a row if columns differ: its address, its event id and the names of the columns, never values.
    fn settle(&mut self, slot: SlotId, rows: &RecordBatch, row: usize, columns: &[&str]) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        let id = ids_and_hashes(rows)?.0.value(row);
        let ordinal = rows.column_by_name("src_ordinal").and_then(|c| c.as_primitive_opt::<Int32Type>());
        let record = ParkedRecord {
            ordinal: ordinal.map_or(0, |o| o.value(row)),
            reason: "differing_copy".into(),
            detail: format!("event {id} was kept with other values of {}", columns.join(", ")),
        };
        let slot = &mut self.pending.slots[slot as usize];
        if self.differing.len() < DIFFERING_TOLD_MAX {
            self.differing.push((slot.address(), record.clone()));
        }
        slot.differing.push(record);
        Ok(())
    }

    /// Another writer committed first: rows of ours that it has too are copies now, and their files are written anew.
    pub(super) async fn yield_to(&mut self, winner: &CommitLog) -> Result<()> {
        if let Some(expired) = winner.expired {
            self.withdraw_expired(expired).await;
        }
        let theirs: Vec<_> = winner.added.iter().map(FileMeta::of).collect();
        self.dedup.forget(|hour| theirs.iter().any(|f| f.has_hour(hour)));
        for file in std::mem::take(&mut self.pending.files) {
            let rivals: Vec<_> = theirs.iter().filter(|t| t.date == file.meta.date).collect();
            let mut copies = HashSet::new();
            if !rivals.is_empty() {
                copies = self.copies_in(&file, &rivals).await?;
            }
            if copies.is_empty() {
                self.pending.files.push(file);
                continue;
            }
            self.table.withdraw(&file.meta.path);
            self.dedup.forget(|hour| file.meta.has_hour(hour));
            let rows = self.rows_of(&file).await?;
            let stays: Vec<bool> = (0..rows.num_rows()).map(|row| !copies.contains(&row)).collect();
            for row in &copies {
                self.pending.slots[file.slots[*row] as usize].kept -= 1;
            }
            let slots: Vec<SlotId> =
                file.slots.iter().zip(&stays).filter(|(_, s)| **s).map(|(slot, _)| *slot).collect();
            let rows = filter_record_batch(&rows, &BooleanArray::from(stays)).map_err(StoreError::rows("filter"))?;
            self.delete(&file.meta).await;
            if rows.num_rows() > 0 {
                self.write_file(rows, slots, file.rows.is_some()).await?;
            }
        }
        Ok(())
    }

    /// Days are gone since files of them were written: these are not committed.
    async fn withdraw_expired(&mut self, expired: Expired) {
        for file in std::mem::take(&mut self.pending.files) {
            if !expired.has(file.meta.date) {
                self.pending.files.push(file);
                continue;
            }
            for slot in &file.slots {
                let slot = &mut self.pending.slots[*slot as usize];
                slot.kept -= 1;
                slot.expired += 1;
            }
            self.table.withdraw(&file.meta.path);
            self.dedup.forget(|hour| file.meta.has_hour(hour));
            self.delete(&file.meta).await;
        }
    }

    /// Deletes a file that no commit names.
    async fn delete(&self, file: &FileMeta) {
        let path = object_store::path::Path::from(file.path.as_str());
        if let Err(error) = object_store::ObjectStoreExt::delete(&self.table.store(), &path).await {
            tracing::debug!(%error, path = %file.path, "a file that no commit names stays until it is vacuumed");
        }
    }

    /// The rows of a written file whose ids the winner's files hold. Those with another body are parked.
    async fn copies_in(&mut self, file: &Written, rivals: &[&FileMeta]) -> Result<HashSet<usize>> {
        let ours = self.rows_of(file).await?;
        let by_key: HashMap<Key, usize> = candidates(&ours)?.iter().enumerate().map(|(row, c)| (c.key, row)).collect();
        let ids: HashSet<String> = ids_and_hashes(&ours)?.0.iter().flatten().map(str::to_string).collect();
        let ids = Arc::new(ids);
        let mut copies = HashSet::new();
        for rival in rivals {
            let least = rival.times.0.max(file.meta.times.0);
            let greatest = rival.times.1.min(file.meta.times.1);
            if least > greatest {
                continue;
            }
            for hour in hour_of(least)..=hour_of(greatest) {
                let mut found = datafile::read(&self.table.store(), rival, &[], Wanted::Ids(hour, ids.clone())).await?;
                while let Some(theirs) = found.try_next().await? {
                    for row in 0..theirs.num_rows() {
                        let Some(&mine) = by_key.get(&key(ids_and_hashes(&theirs)?.0.value(row))) else { continue };
                        if !copies.insert(mine) {
                            continue;
                        }
                        let columns = differing(&ours, mine, &theirs, row);
                        self.settle(file.slots[mine], &ours, mine, &columns)?;
                    }
                }
            }
        }
        Ok(copies)
    }

    /// The rows of a written file, from memory or read back.
    async fn rows_of(&self, file: &Written) -> Result<RecordBatch> {
        if let Some(rows) = &file.rows {
            return Ok(rows.clone());
        }
        let stream = datafile::read(&self.table.store(), &file.meta, &[], Wanted::All).await?;
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        concat_batches(&schema(), &batches).map_err(StoreError::rows("join"))
    }
}

/// The object of every row.
fn slots_of(rows: &Rows) -> Vec<SlotId> {
    rows.runs.iter().flat_map(|(run, slot)| std::iter::repeat_n(*slot, *run)).collect()
}

/// The day of every row, in days since the epoch.
fn days_of(rows: &RecordBatch) -> Result<&Date32Array> {
    let days = rows.column_by_name(EVENT_DATE).and_then(|c| c.as_primitive_opt::<Date32Type>());
    days.ok_or_else(|| StoreError::Batch { detail: "rows without event_date".into() })
}

/// Places by day, each day's in the order of event time: so a lookup of one hour reads few pages.
fn by_day_and_time(rows: &[Rows], places: Vec<Place>) -> Result<BTreeMap<i32, Vec<Place>>> {
    let mut columns = Vec::with_capacity(rows.len());
    for rows in rows {
        columns.push((days_of(&rows.batch)?, datafile::times(&rows.batch)?));
    }
    let mut days: BTreeMap<i32, Vec<Place>> = BTreeMap::new();
    for (batch, row) in places {
        days.entry(columns[batch].0.value(row)).or_default().push((batch, row));
    }
    for places in days.values_mut() {
        places.sort_by_key(|(batch, row)| columns[*batch].1.value(*row));
    }
    Ok(days)
}
